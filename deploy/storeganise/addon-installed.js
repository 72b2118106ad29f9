// Written by `make docs` from src/keyturn/storeganise/fields.py. Change that, not this file.
//
// Storeganise runs this once, when the add-on is installed in an account. It makes the custom fields Keyturn
// uses, and leaves alone those that are there.
//
// Documented is one form of one call: ensureCustomField('unitRental', { type: 'string', ... }). The other records
// and the type 'boolean' follow its pattern. A field that is refused is named at the end; the others are made.

export default async ({ api }) => {
  const fields = [
    [
      'unit',
      {
        type: 'string',
        code: 'sensorberg_id',
        title: { en: 'Sensorberg access group', de: 'Sensorberg-Zugangsgruppe' },
      },
    ],
    [
      'user',
      {
        type: 'string',
        code: 'sensorberg_pin',
        title: { en: 'Door PIN', de: 'Tür-PIN' },
      },
    ],
    [
      'unitRental',
      {
        type: 'string',
        code: 'sensorberg_pin',
        title: { en: 'Door PIN', de: 'Tür-PIN' },
        ownerAcl: 'read',
      },
    ],
    [
      'unitRental',
      {
        type: 'boolean',
        code: 'sensorberg_overlocked',
        title: { en: 'Locked out (overlock)', de: 'Gesperrt (Overlock)' },
      },
    ],
  ];
  const refused = [];
  for (const [record, field] of fields) {
    try {
      await api.ensureCustomField(record, field);
    } catch (error) {
      refused.push(`${field.code} of ${record}`);
    }
  }
  if (refused.length > 0) {
    throw new Error(`Create these custom fields by hand: ${refused.join(', ')}`);
  }
};

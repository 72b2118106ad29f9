"""Everything that speaks Storeganise: webhooks and API in, custom fields and tasks out."""

"""The Sensorberg provider: memberships, users and codes of one Sensorberg tenant."""

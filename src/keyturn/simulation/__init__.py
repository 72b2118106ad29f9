"""The kit both simulators are made of: a real HTTP server, a request journal, faults on demand.

It knows nothing of the product but its clock, so a simulator never shares a mistake with the
code it is there to test. Neighbours: `storeganise.simulator` and `providers.sensorberg.simulator`
are built from this kit; `operator` here fills both with one believable business.
"""

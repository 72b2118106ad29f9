"""The order of steps: observe, decide, apply, show.

The engine speaks to the world through protocols (`source.Source`, `providers.protocol.Provider`)
and to its memory through `store`. It knows no upstream's words and no concrete provider.
"""

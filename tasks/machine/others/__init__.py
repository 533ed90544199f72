"""Who else is on the network: asked before anything is changed."""

"""What others have made, on the network and on the machine: asked before anything is changed."""

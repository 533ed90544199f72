"""Connections that routers spread over all nodes, and spread anew when the set of them changes."""

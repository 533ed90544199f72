"""Put the staged keepalived.conf into service, or have the old one back."""

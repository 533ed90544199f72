"""Put the staged bird.conf into service, or have the old one back."""

"""Put an nginx that has been tested into service without losing a request, or go back."""

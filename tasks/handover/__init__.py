"""tandem-handover: connections go on when the VIP moves."""

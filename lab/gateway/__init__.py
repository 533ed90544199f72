"""The services of the lab's gateway: time, mail, packages; and a certificate authority."""

"""Small trainable additions to a frozen network; one module each, with an `ADAPTER`."""

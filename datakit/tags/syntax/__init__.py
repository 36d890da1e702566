"""The prompt languages of the field, one module each: text to weighted spans, and back."""

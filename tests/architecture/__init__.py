"""What holds over the whole source."""

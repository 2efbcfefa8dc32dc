"""What every end point shares."""

"""What is fresh, asked as cheaply as each database lets it be asked; both answer alike."""

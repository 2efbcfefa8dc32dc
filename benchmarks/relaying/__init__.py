"""What relaying costs: Larder and a bare aiohttp relay before the same mock provider."""

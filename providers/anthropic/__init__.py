"""Anthropic's Messages API: requests translated from OpenAI's shape, events back to chunks."""

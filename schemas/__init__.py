"""The shapes that go over the wire: marshmallow only, no query, no request."""

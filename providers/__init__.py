"""Wire formats: each adapter turns a provider's protocol into Larder's chunks."""

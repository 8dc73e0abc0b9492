"""The things that the server's HTTP API speaks of, by the API's own words; docs/api.md shows each of them."""

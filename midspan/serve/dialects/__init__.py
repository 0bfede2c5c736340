"""The protocols that clients speak to the server, one module each: its bodies, its routes and its form of errors."""

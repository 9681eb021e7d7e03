"""Sources become wheels: unpacked or checked out, built once in an environment of their own."""

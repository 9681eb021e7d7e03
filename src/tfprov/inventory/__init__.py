"""Reports on the content of an environment: components, licences and security advisories."""

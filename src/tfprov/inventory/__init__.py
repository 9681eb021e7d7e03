"""What is in an environment, for those who have to say so: components, licences, and what advisories say."""

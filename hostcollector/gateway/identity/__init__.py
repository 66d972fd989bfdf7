"""Who asks: API tokens and the JWTs of an OpenID provider to a principal with a tenant and scopes."""

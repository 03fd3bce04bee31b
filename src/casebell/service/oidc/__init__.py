"""Sign-in over OpenID Connect: an identity provider of the firm says who it is.

    begin → the browser goes to the provider → finish = read the answer → exchange the code
                                                       → verify the ID token → role → account

`sign_in` joins the steps. `pending` is what the browser carries from the first to the second,
`identity_provider` speaks to the provider, `id_token` verifies what it signed, `identity` reads
who that is, and as what it gets in. The code, PKCE and the checks of claims are Authlib's, the
signatures joserfc's. Both are imported when somebody first signs in this way: they would cost each
start 0.2 seconds.
"""

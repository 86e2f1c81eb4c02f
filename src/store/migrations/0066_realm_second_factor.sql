-- SPDX-License-Identifier: Apache-2.0
-- The authentication context class (OpenID Connect Core 1.0 section 2, acr) by which the issuer says that a person
-- has shown a second factor, for issuers that say it so and not as "mfa" in amr.

ALTER TABLE realm ADD COLUMN second_factor_acr TEXT;

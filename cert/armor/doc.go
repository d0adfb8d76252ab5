// Package armor writes certificates and logins as text for email and paste, seals them
// to a recipient, and finds them in any text:
//
//	-----BEGIN ZEROMQ CERTIFICATE-----
//	Version: 1.0
//	Mechanism: CURVE
//	Content-security: clear
//	Checksum: hKNAiK6G9JjH+rxQ/l1y8ZmLLMTM735T+H8bYYHvEf8
//	IyBaZXJvTVEgQ1VSVkUgUHVibGljIENlcnRpZmljYXRlCiMgR2l2ZSB0aGlzIGZp
//	...
//	-----END ZEROMQ CERTIFICATE-----
//
// [New], [NewSecret] and [NewLogin] make a [Block], [Block.Seal] encrypts it, and
// [Block.Append] writes it. [Find] yields all blocks of a text, and [Block.Open]
// decrypts one. Logins are user names and passwords of the mechanism PLAIN.
//
// The format is specified in docs/spec/certificate.md. Blocks of the draft of 2013
// ("ZeroMQ Certificates, Design Iteration 1") are read, and never written.
package armor

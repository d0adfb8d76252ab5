package cert_test

import (
	"fmt"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

// Find the certificates in a mail, whatever the way has done to them.
func ExampleExtract() {
	const mail = `Dear Bob,

you asked for my new key:

> -----BEGIN ZEROMQ CERTIFICATE-----
> Version: 1.0
> Mechanism: CURVE
> Content-security: clear
> Comment: for Bob
> X-Ticket: 42
> Checksum: VO09E3Ugqi7fF0tm+SWtGVRSz3vhxMJXyGFRO8yUmdw
> IyBaZXJvTVEgQ1VSVkUgUHVibGljIENlcnRpZmljYXRlCiMgR2l2ZSBpdCB0byB3
> aG9ldmVyIHNob3VsZCBrbm93IHRoaXMga2V5LgpjZXJ0aWZpY2F0ZQogICAgdmVy
> c2lvbiA9ICIxIgptZXRhZGF0YQogICAgbmFtZSA9ICJhbGljZSIKY3VydmUKICAg
> IHB1YmxpYy1rZXkgPSAiWW5lQCR3LXZvPGZWdmldYTxOWTZUMWVkOk0kZkNHKltJ
> YUxWe2hJRCIK
> -----END ZEROMQ CERTIFICATE-----

and Carol's, of which I lost a part:

-----BEGIN ZEROMQ CERTIFICATE-----
Version: 1.0
`
	for _, found := range cert.Extract([]byte(mail)) {
		if found.Err != nil {
			fmt.Println(found.Err)
			continue
		}
		c, err := found.Envelope.Certificate()
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("lines %d to %d: %s, %s\n", found.Line, found.EndLine, c.Name(), found.Envelope.Comment)
		fmt.Println(c.Public)
	}
	// Output:
	// lines 5 to 17: alice, for Bob
	// Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID
	// cert: line 21: damaged in transit: END is missing
}

// Send a certificate so that only Bob can read it, and Bob knows who sent it.
func ExampleEnvelope_Seal() {
	alice := cert.Generate("alice")
	bob := cert.Generate("bob")

	text, err := seal(alice, bob.Public)
	if err != nil {
		fmt.Println(err)
		return
	}

	sealed, err := cert.ParseEnvelope(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	opened, by, err := sealed.Open(bob.Secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := opened.Certificate()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Name(), "is in it")
	fmt.Println("alice sealed it:", by == alice.Public)
	// Output:
	// alice is in it
	// alice sealed it: true
}

// seal makes the text that alice sends.
func seal(alice *cert.Certificate, to curve.PublicKey) ([]byte, error) {
	e, err := cert.Armor(alice, false)
	if err != nil {
		return nil, err
	}
	e.Comment = "my new key"
	keys := alice.Secret
	sealed, err := e.Seal(to, &keys)
	if err != nil {
		return nil, err
	}
	return sealed.Append(nil)
}

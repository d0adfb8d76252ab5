package armor_test

import (
	"fmt"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/cert/armor"
	"github.com/zcurve/zcurve/curve"
)

// Find the certificates in a mail.
func ExampleFind() {
	const mail = `Dear Bob,

you asked for my new key:

> -----BEGIN ZEROMQ CERTIFICATE-----
> Version: 1.0
> Mechanism: CURVE
> Content-security: clear
> Comment: for Bob
> X-Ticket: 42
> Checksum: hKNAiK6G9JjH+rxQ/l1y8ZmLLMTM735T+H8bYYHvEf8
> IyBaZXJvTVEgQ1VSVkUgUHVibGljIENlcnRpZmljYXRlCiMgR2l2ZSB0aGlzIGZp
> bGUgdG8gYW55b25lIHdobyBuZWVkcyB0aGlzIGtleS4KY2VydGlmaWNhdGUKICAg
> IHZlcnNpb24gPSAiMSIKbWV0YWRhdGEKICAgIG5hbWUgPSAiYWxpY2UiCmN1cnZl
> CiAgICBwdWJsaWMta2V5ID0gIlluZUAkdy12bzxmVnZpXWE8Tlk2VDFlZDpNJGZD
> RypbSWFMVntoSUQiCg
> -----END ZEROMQ CERTIFICATE-----

and Carol's, of which I lost a part:

-----BEGIN ZEROMQ CERTIFICATE-----
Version: 1.0
`
	for block, err := range armor.Find([]byte(mail)) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		c, err := block.Certificate()
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("lines %d to %d: %s, %s\n", block.Line, block.EndLine, c.Name(), block.Comment)
		fmt.Println(c.Public)
	}
	// Output:
	// lines 5 to 17: alice, for Bob
	// Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID
	// armor: line 21: damaged in transit: END is missing
}

// Alice sends her secret certificate to Bob, who alone can read it and knows who sent
// it.
func ExampleBlock_Seal() {
	alice := cert.Generate("alice")
	bob := cert.Generate("bob")
	letter, err := seal(alice, bob.Public)
	if err != nil {
		fmt.Println(err)
		return
	}

	sealed, err := armor.Parse(letter)
	if err != nil {
		fmt.Println(err)
		return
	}
	block, err := sealed.Open(bob.Secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := block.Certificate()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("name:", c.Name())
	fmt.Println("sealed by alice:", block.SealedBy == alice.Public)
	// Output:
	// name: alice
	// sealed by alice: true
}

// seal returns the letter that alice sends.
func seal(alice *cert.Certificate, to curve.PublicKey) ([]byte, error) {
	block, err := armor.NewSecret(alice)
	if err != nil {
		return nil, err
	}
	block.Comment = "my key for the new machine"
	sealed, err := block.Seal(to, alice.Secret)
	if err != nil {
		return nil, err
	}
	return sealed.Append(nil)
}

package cert_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/zcurve/zcurve/cert"
)

// Make an identity, save both its files, and load the public one.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "alice.key")

	alice := cert.Generate("alice")
	alice.Metadata.Set("group", "traders")
	if err := alice.Save(path); err != nil {
		fmt.Println(err)
		return
	}

	public, err := cert.Load(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(public.Name(), "of", public.Metadata.Get("group"))
	fmt.Println("same key:", public.Public == alice.Public)
	fmt.Println("has the secret key:", !public.Secret.IsZero())
	fmt.Println("warnings:", len(public.Warnings))
	// Output:
	// alice of traders
	// same key: true
	// has the secret key: false
	// warnings: 0
}

// An error says where it is and what the text looks like, and never quotes a key.
func ExampleParse() {
	_, err := cert.Parse([]byte(`curve
    public-key = "cb7PXR8q39bBQAfmFYsHPdSYTXnnzTLbPvB2/oxrSBo="
`))
	fmt.Println(err)
	// Output:
	// cert: line 2, column 19: not a key: 44 characters, looks like base64; expected 40 characters of Z85
}

// An authority signs a certificate. Those who trust the authority accept it until it
// expires.
func ExampleAuthority_Sign() {
	acme := cert.GenerateAuthority("acme")
	alice := cert.Generate("alice")
	alice.Validity.NotAfter = time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	if err := acme.Sign(alice); err != nil {
		fmt.Println(err)
		return
	}

	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	checker := cert.Checker{
		Authorities: []cert.AuthorityKey{acme.Key},
		Clock:       func() time.Time { return now },
	}
	fmt.Println(checker.Check(alice))
	now = now.AddDate(1, 0, 0)
	fmt.Println(checker.Check(alice))
	// Output:
	// <nil>
	// cert: expired on 2026-12-31T00:00:00Z
}

// A program acts on why a certificate is refused.
func ExampleChecker_Check() {
	acme, alice := cert.GenerateAuthority("acme"), cert.Generate("alice")
	now := time.Now().Truncate(time.Second)
	list := new(cert.RevocationList)
	_, err := list.Revoke(cert.Revocation{Key: alice.Public, Time: now, Reason: "laptop stolen"})
	if err := errors.Join(err, acme.Sign(alice), acme.SignRevocations(list, now, now.AddDate(0, 1, 0))); err != nil {
		fmt.Println(err)
		return
	}

	checker := cert.Checker{Authorities: []cert.AuthorityKey{acme.Key}, Revocations: []*cert.RevocationList{list}}
	switch err := checker.Check(alice); {
	case err == nil:
		fmt.Println("trusted")
	case errors.Is(err, cert.ErrExpired):
		fmt.Println("renew it:", err)
	case errors.Is(err, cert.ErrRevoked):
		fmt.Println("revoked, with the reason in the error")
	case errors.Is(err, cert.ErrUntrusted):
		fmt.Println("ask the authority to sign it:", err)
	}
	// Output:
	// revoked, with the reason in the error
}

// A secret key under a passphrase.
func ExampleCertificate_Lock() {
	alice := cert.Generate("alice")
	if err := alice.Lock([]byte("correct horse battery staple")); err != nil {
		fmt.Println(err)
		return
	}
	scheme, _ := alice.Locked()
	fmt.Println("locked by", scheme)
	err := alice.Unlock([]byte("guess"))
	fmt.Println(err)
	fmt.Println("ask again:", errors.Is(err, cert.ErrPassphrase))
	fmt.Println(alice.Unlock([]byte("correct horse battery staple")))
	// Output:
	// locked by argon2id m=65536 t=3 p=4
	// cert: unlocking: wrong passphrase
	// ask again: true
	// <nil>
}

package cert_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/zcurve/zcurve/cert"
)

// Make an identity, and read its public half where it is to be known.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	alice := cert.Generate("alice")
	alice.Metadata.Set("group", "traders")
	if err := alice.Save(filepath.Join(dir, "alice.key")); err != nil {
		fmt.Println(err)
		return
	}

	public, err := cert.Load(filepath.Join(dir, "alice.key"))
	if err != nil {
		fmt.Println(err)
		return
	}
	group := public.Metadata.Get("group")
	fmt.Println(public.Name(), "of", group)
	fmt.Println("same key:", public.Public == alice.Public)
	fmt.Println("has the secret:", !public.Secret.IsZero())
	fmt.Println("warnings:", len(public.Warnings))
	// Output:
	// alice of traders
	// same key: true
	// has the secret: false
	// warnings: 0
}

// An error says where the fault is, and what the text looks like.
func ExampleParse() {
	_, err := cert.Parse([]byte(`curve
    public-key = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
`))
	fmt.Println(err)
	// Output:
	// cert: line 2, column 19: not a key: 44 characters: base64? expected 40 characters of Z85
}

func ExampleChecker() {
	acme := cert.GenerateAuthority("acme")
	alice := cert.Generate("alice")
	now := time.Now().Truncate(time.Second)
	alice.Validity = cert.Validity{NotBefore: now, NotAfter: now.Add(90 * 24 * time.Hour)}
	if err := acme.Sign(alice); err != nil {
		fmt.Println(err)
		return
	}

	// Whoever trusts acme needs its public file.
	checker := cert.Checker{
		IsAuthority: func(k cert.AuthorityKey) bool { return k == acme.Key },
	}
	fmt.Println("as signed:", checker.Check(alice))

	alice.Metadata.Set("name", "admin")
	fmt.Println("changed:", checker.Check(alice))

	checker.Clock = func() time.Time { return now.Add(91 * 24 * time.Hour) }
	alice.Metadata.Set("name", "alice")
	fmt.Println("later:", errors.Is(checker.Check(alice), cert.ErrExpired))
	// Output:
	// as signed: <nil>
	// changed: cert: wrong signature: changed since it was signed, or signed with another key
	// later: true
}

func ExampleCertificate_Lock() {
	alice := cert.Generate("alice")
	if err := alice.Lock([]byte("correct horse battery staple")); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("locked by", alice.Locked.Scheme())
	fmt.Println(alice.Unlock([]byte("guess")))
	fmt.Println(alice.Unlock([]byte("correct horse battery staple")))
	// Output:
	// locked by argon2id m=65536 t=3 p=4
	// cert: unlocking failed: wrong passphrase
	// <nil>
}

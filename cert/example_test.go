package cert_test

import (
	"fmt"
	"os"
	"path/filepath"

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

	alice := cert.Generate(
		cert.Property{Name: "name", Value: "alice"},
		cert.Property{Name: "group", Value: "traders"},
	)
	if err := alice.Save(filepath.Join(dir, "alice.key"), false); err != nil {
		fmt.Println(err)
		return
	}

	public, warnings, err := cert.Load(filepath.Join(dir, "alice.key"))
	if err != nil {
		fmt.Println(err)
		return
	}
	group, _ := public.Metadata.Get("group")
	fmt.Println(public.Name(), "of", group)
	fmt.Println("same key:", public.Public == alice.Public)
	fmt.Println("has the secret:", !public.Secret.IsZero())
	fmt.Println("warnings:", len(warnings))
	// Output:
	// alice of traders
	// same key: true
	// has the secret: false
	// warnings: 0
}

// An error says where the fault is, and what the text looks like.
func ExampleParse() {
	_, _, err := cert.Parse([]byte(`curve
    public-key = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
`))
	fmt.Println(err)
	// Output:
	// cert: line 2, column 19: not a key: 44 characters: base64? expected 40 characters of Z85
}

package armor

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

// Two key pairs that the manual pages of libzmq use.
const (
	alicePublic = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	aliceSecret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
	bobPublic   = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
	bobSecret   = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
)

// item is one name and value of metadata.
type item = struct{ Name, Value string }

func alice(t testing.TB, metadata ...item) *cert.Certificate {
	t.Helper()
	public, err := curve.ParsePublicKey(alicePublic)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := curve.ParseSecretKey(aliceSecret)
	if err != nil {
		t.Fatal(err)
	}
	return &cert.Certificate{Public: public, Secret: secret, Metadata: metadata}
}

// lockedAlice returns alice's certificate of the test vectors, whose secret key is locked
// with parameters that cost little.
func lockedAlice(t testing.TB) *cert.Certificate {
	t.Helper()
	c, err := cert.Load("../../docs/spec/certificate-vectors/locked-small.key_secret")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// publicText and secretText are alice's certificates with this metadata, lines that are
// indented.
func publicText(metadata string) string {
	return "metadata\n" + metadata + "curve\n    public-key = \"" + alicePublic + "\"\n"
}

func secretText(metadata string) string {
	return publicText(metadata) + "    secret-key = \"" + aliceSecret + "\"\n"
}

// compare compares certificates without their unknown sections.
var compare = cmp.Options{
	cmp.Comparer(func(a, b curve.SecretKey) bool { return string(a.AppendZ85(nil)) == string(b.AppendZ85(nil)) }),
	cmpopts.IgnoreUnexported(cert.Certificate{}),
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreFields(cert.Certificate{}, "Warnings"),
	cmpopts.IgnoreFields(Login{}, "Warnings"),
}

// said is an error of another package, known by its text.
type said string

func (s said) Error() string { return string(s) }

// is is errors.Is, also for a want of type said.
func is(err, want error) bool {
	if text, ok := want.(said); ok {
		return err != nil && strings.Contains(err.Error(), string(text))
	}
	return errors.Is(err, want)
}

// checkNoKey fails if err quotes eight characters of a secret key.
func checkNoKey(t *testing.T, err error) {
	t.Helper()
	for _, key := range []string{aliceSecret, bobSecret} {
		for i := 0; i+8 <= len(key); i++ {
			if strings.Contains(err.Error(), key[i:i+8]) {
				t.Errorf("%q has part of a key", err)
				return
			}
		}
	}
}

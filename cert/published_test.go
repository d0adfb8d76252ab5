package cert

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/edwards25519"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/ztest"
)

// TestPublishedKeys: every secret key that manuals and this repository publish is
// refused, and each key that is refused is one.
func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	left := map[[curve.KeySize]byte]bool{}
	for line := range strings.Lines(publishedText) {
		text, _, _ := strings.Cut(line, " ")
		if strings.HasPrefix(text, authorityPrefix) {
			key, err := ParseAuthorityKey(text)
			ztest.Must(t, err)
			if err := key.Check(); !errors.Is(err, errPublishedKey) {
				t.Errorf("%s: %v", line, err)
			}
			left[key] = true
		} else {
			key, err := curve.ParsePublicKey(text)
			ztest.Must(t, err)
			if err := CheckKey(key); !errors.Is(err, errPublishedKey) {
				t.Errorf("%s: %v", line, err)
			}
			left[key] = true
		}
	}
	if len(left) != len(published()) || len(left) < 50 {
		t.Errorf("%d keys of %d", len(published()), len(left))
	}
	check := func(key [curve.KeySize]byte, where string) {
		if err := checkPublished(key); !errors.Is(err, errPublishedKey) {
			t.Errorf("the key that belongs to a secret key in %s isn't refused: %v", where, err)
		}
		delete(left, key)
	}
	z85 := func(text, where string) {
		if secret, err := curve.ParseSecretKey(text); err == nil {
			check(secret.Public(), where)
		}
	}
	for _, text := range []string{aliceSecret, bobSecret,
		"N?Gmik8R[2ACw{b7*[-$S6[4}aO#?DB?#=<OQPc7", "T}t5GLq%&Qm1)y3ywu-}pY3KEA//{^Ut!M1ut+B4",
		"9R9bV}[6z6DC-%$!jTVTKvWc=LEL{4i4gzUe$@Zx", "{X}#>t#jRGaQ}gMhv=30r(Mw+87YGs+5%kh=i@f8"} {
		z85(text, "libzmq")
	}
	hexadecimal := func(text string) []byte {
		bytes, err := hex.DecodeString(text)
		ztest.Must(t, err)
		return bytes
	}
	secretOf := func(text, where string) {
		secret, err := curve.NewSecretKey(hexadecimal(text))
		ztest.Must(t, err)
		check(secret.Public(), where)
	}
	secretOf("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", "RFC 7748")
	for _, seed := range []string{
		"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
		"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"} {
		check(AuthorityKey(ed25519.NewKeyFromSeed(hexadecimal(seed)).Public().(ed25519.PublicKey)), "RFC 8032")
	}

	// What this repository publishes.
	text, err := os.ReadFile("../curve/testdata/curvezmq.json")
	ztest.Must(t, err)
	var handshakes struct{ Transcripts []map[string]any }
	ztest.Must(t, json.Unmarshal(text, &handshakes))
	for _, transcript := range handshakes.Transcripts {
		for name, value := range transcript {
			if strings.HasSuffix(name, "_secret") {
				secretOf(value.(string), "curvezmq.json: "+name)
			}
		}
	}
	secretLine := regexp.MustCompile(`secret-key\s*=\s*\\?["']?([^"'\s]{40})`)
	seedLine := regexp.MustCompile(`seed\s*=\s*"([A-Za-z0-9+/]{43})"`)
	for _, folder := range []string{vectors, "testdata"} {
		ztest.Must(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range secretLine.FindAllSubmatch(text, -1) {
				z85(string(m[1]), path)
			}
			for _, m := range seedLine.FindAllSubmatch(text, -1) {
				seed := make([]byte, ed25519.SeedSize)
				if form.Decode(seed, m[1]) {
					check(AuthorityKey(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)), path)
				}
			}
			return err
		}))
	}
	for key := range left {
		if where := published()[key]; where != "RFC 7748, section 6.1: Alice" {
			t.Errorf("no secret key is known of that in %s", where)
		}
	}
}

// TestVectorsRefused: no one can use the test vectors for anything.
func TestVectorsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"alice.key", "bob.key", "signed.key", "locked.key_secret"} {
		if err := vectorCertificate(t, name).Check(day(3, 1)); !errors.Is(err, errPublishedKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := vectorAuthority(t, "acme.authority").Key.Check(); !errors.Is(err, errPublishedKey) {
		t.Errorf("acme: %v", err)
	}
}

// TestCertificateCheck: what no one can trust is refused.
func TestCertificateCheck(t *testing.T) {
	t.Parallel()
	c := Generate("")
	ztest.Must(t, c.Check(day(3, 1)), authority(t, "acme").Sign(c), c.Check(day(3, 1)))
	c.Serial++
	if err := c.Check(day(3, 1)); !errors.Is(err, errSignature) {
		t.Errorf("changed: %v", err)
	}
	if err := new(Certificate).Check(day(3, 1)); !errors.Is(err, curve.ErrPublicKey) {
		t.Errorf("nothing: %v", err)
	}
}

// TestWeakAuthorityKeys: a key for which anyone can sign is refused wherever one is
// read, and no signature is right for it.
func TestWeakAuthorityKeys(t *testing.T) {
	t.Parallel()
	// The points of small order are the multiples of one of order 8.
	first := weakOrdinates[3]
	generator, err := new(edwards25519.Point).SetBytes(first[:])
	ztest.Must(t, err)
	weak := map[AuthorityKey]bool{}
	for p, i := edwards25519.NewIdentityPoint(), 0; i < 8; i++ {
		weak[AuthorityKey(p.Bytes())] = true
		p.Add(p, generator)
	}
	if len(weak) != 8 {
		t.Fatalf("%d points of small order", len(weak))
	}
	// Other names for the points with y of 0 to 18.
	for y := range byte(19) {
		k := AuthorityKey{0xed + y}
		for i := range k[1:] {
			k[i+1] = 0xff
		}
		weak[k] = true
		k[31] = 0x7f
		weak[k] = true
	}
	weak[AuthorityKey{31: 0x80, 0: 1}] = true // of 1, with a sign
	c := signed(t)
	text := public(t, c)
	file, err := authority(t, "acme").AppendPublic(nil)
	ztest.Must(t, err)
	list, err := revocations(t, authority(t, "acme")).Append(nil)
	ztest.Must(t, err)
	key, fresh := c.Authority.String(), Generate("").Public
	for k := range weak {
		other := k.String()
		_, err1 := ParseAuthorityKey(other)
		err2 := new(AuthorityKey).UnmarshalText([]byte(other))
		_, err3 := Parse([]byte(strings.Replace(text, key, other, 1)))
		_, err4 := ParseAuthority([]byte(strings.Replace(string(file), key, other, 1)))
		_, err5 := ParseRevocations([]byte(strings.Replace(string(list), key, other, 1)))
		_, err6 := (&Authority{Key: k}).AppendPublic(nil)
		forged := Certificate{Public: fresh}
		forged.Authority, forged.signature = k, signatureBytes{1} // R is the identity, S is zero
		_, err7 := forged.AppendPublic(nil)
		doors := []error{err1, err2, err3, err4, err5, k.Check()}
		if k != (AuthorityKey{}) { // which means none
			doors = append(doors, err6, err7, forged.Check(day(3, 1)))
		}
		for i, err := range doors {
			if !errors.Is(err, errAuthorityKey) {
				t.Errorf("%s: door %d: %v", other, i+1, err)
			}
		}
		if k.verify([]byte("anything"), signatureBytes{1}) {
			t.Errorf("%s: a forged signature is right", other)
		}
	}
	if err := c.Authority.Check(); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

package sasl

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/zcurve/zcurve/internal/ztest"
)

// rfcVerifier is that of RFC 7677's example, as PostgreSQL would write it.
const rfcVerifier = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

func TestVerifier(t *testing.T) {
	t.Parallel()
	v, err := ParseVerifier(rfcVerifier)
	ztest.Must(t, err)
	if v.Encode() != rfcVerifier {
		t.Errorf("%s", v.Encode())
	}
	again, err := derive("pencil", v.salt, v.iterations)
	ztest.Must(t, err)
	if again.Encode() != rfcVerifier {
		t.Errorf("%s", again.Encode())
	}
	key := keyOf(t, v, "pencil")
	if !v.Matches(key) {
		t.Error("the key does not match")
	}
	for _, other := range [][]byte{nil, {}, key[1:], append(slices.Clone(key), 0), keyOf(t, v, "pencil "), make([]byte, 32)} {
		if v.Matches(other) {
			t.Errorf("%x matches", other)
		}
	}
	if (Verifier{}).Matches(key) || (Verifier{}).Matches(nil) {
		t.Error("the zero Verifier matches")
	}
	stored, server := v.reveal()
	ztest.CheckHidden(t, v, encode(stored), encode(server), string(stored), string(server))
	ztest.CheckHidden(t, &v, encode(stored), encode(server), string(stored), string(server))
	ztest.CheckHidden(t, struct{ v Verifier }{v}, string(stored), string(server))
}

// keyOf returns the ClientKey of a password, by another implementation.
func keyOf(t *testing.T, v Verifier, password string) []byte {
	t.Helper()
	salted, err := saltedPassword(password, v.salt, v.iterations)
	ztest.Must(t, err)
	key := salted.clientKey()
	return key[:]
}

// TestNewVerifierUnraced: each new verifier has its own salt, and another implementation derives the same
// keys.
func TestNewVerifierUnraced(t *testing.T) {
	ztest.Unraced(t)
	t.Parallel()
	v, err := NewVerifier([]byte("\u2168 p\u00e4ss\u00ad"))
	ztest.Must(t, err)
	if v.iterations != 600_000 || len(v.salt) != 16 {
		t.Errorf("%d iterations, salt of %d bytes", v.iterations, len(v.salt))
	}
	peer, err := scram.SHA256.NewClient("alice", "IX p\u00e4ss", "")
	ztest.Must(t, err)
	other, err := peer.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(v.salt), Iters: v.iterations})
	ztest.Must(t, err)
	if stored, server := v.reveal(); !bytes.Equal(stored, other.StoredKey) || !bytes.Equal(server, other.ServerKey) {
		t.Errorf("%s", v.Encode())
	}
	next, err := NewVerifier([]byte("\u2168 p\u00e4ss\u00ad"))
	ztest.Must(t, err)
	if bytes.Equal(next.salt, v.salt) {
		t.Error("the salt of two verifiers is the same")
	}
	for _, password := range []string{"", "\u00ad", "a\x00b", "a\nb", "\xff", "\ufffd", "\U0001F600", "\u0627\u0031"} {
		if _, err := NewVerifier([]byte(password)); !errors.Is(err, errPassword) {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestDecoy(t *testing.T) {
	t.Parallel()
	v, err := ParseVerifier("SCRAM-SHA-256$5000:" + encode(make([]byte, 24)) + "$" + hash32 + ":" + hash32)
	ztest.Must(t, err)
	long, err := ParseVerifier("SCRAM-SHA-256$5000:" + encode(make([]byte, maxSalt)) + "$" + hash32 + ":" + hash32)
	ztest.Must(t, err)
	for _, tt := range []struct {
		from             Verifier
		iterations, salt int
	}{{v, 5000, 24}, {long, 5000, maxSalt}, {Verifier{}, 600_000, 16}} {
		d := tt.from.Decoy([32]byte{1}, "alice")
		if d.iterations != tt.iterations || len(d.salt) != tt.salt {
			t.Errorf("%d iterations, salt of %d bytes", d.iterations, len(d.salt))
		}
		if again := tt.from.Decoy([32]byte{1}, "alice"); again.Encode() != d.Encode() {
			t.Error("the same login has two decoys")
		}
		for _, other := range []Verifier{tt.from.Decoy([32]byte{1}, "bob"), tt.from.Decoy([32]byte{2}, "alice"), tt.from.Decoy([32]byte{1}, "")} {
			stored, server := d.reveal()
			otherStored, otherServer := other.reveal()
			if bytes.Equal(other.salt, d.salt) || bytes.Equal(stored, otherStored) || bytes.Equal(server, otherServer) {
				t.Error("two logins or keys have the same decoy")
			}
		}
		parsed, err := ParseVerifier(d.Encode())
		if err != nil || parsed.Encode() != d.Encode() {
			t.Errorf("%s: %v", d.Encode(), err)
		}
		for _, key := range [][]byte{nil, make([]byte, 32), d.salt} {
			if d.Matches(key) {
				t.Errorf("%x matches a decoy", key)
			}
		}
	}
}

// ParseVerifier refuses malformedVerifiers.
var malformedVerifiers = []struct {
	text string
	err  error
}{
	{"", errVerifier},
	{"SCRAM-SHA-256", errVerifier},
	{"SCRAM-SHA-256$", errVerifier},
	{"SCRAM-SHA-256$4096:" + salt16, errVerifier},
	{"SCRAM-SHA-1$4096:" + salt16 + "$" + hash32 + ":" + hash32, errVerifier},
	{"scram-sha-256$4096:" + salt16 + "$" + hash32 + ":" + hash32, errVerifier},
	{" SCRAM-SHA-256$4096:" + salt16 + "$" + hash32 + ":" + hash32, errVerifier},
	{"SCRAM-SHA-256$4096:" + salt16 + "$" + hash32 + ":" + hash32 + " ", errVerifier},
	{"SCRAM-SHA-256$4096:" + salt16 + "$" + hash32 + ":" + hash32 + "\n", errVerifier},
	{"SCRAM-SHA-256$4096:" + salt16 + "$" + hash32 + ":" + hash32 + "$", errVerifier},
	{"SCRAM-SHA-256$4096:" + salt16 + "$" + hash32 + ":" + hash32 + ":" + hash32, errVerifier},
	{"SCRAM-SHA-256$4096$" + salt16 + "$" + hash32 + ":" + hash32, errVerifier},
	{"SCRAM-SHA-256$4096:" + salt16 + "$" + hash32, errVerifier},
	{"SCRAM-SHA-256$4096:" + salt16 + "$" + salt16 + ":" + hash32, errVerifier},
	{"SCRAM-SHA-256$4096:" + salt16 + "$" + hash32 + ":" + salt16, errVerifier},
	{"SCRAM-SHA-256$4096:" + strings.TrimRight(salt16, "=") + "$" + hash32 + ":" + hash32, errVerifier},
	{"SCRAM-SHA-256$4096:*$" + hash32 + ":" + hash32, errVerifier},
	{"SCRAM-SHA-256$:" + salt16 + "$" + hash32 + ":" + hash32, errVerifier},
	{"SCRAM-SHA-256$04096:" + salt16 + "$" + hash32 + ":" + hash32, errVerifier},
	{"SCRAM-SHA-256$+4096:" + salt16 + "$" + hash32 + ":" + hash32, errVerifier},
	{"SCRAM-SHA-256$4095:" + salt16 + "$" + hash32 + ":" + hash32, errIterations},
	{"SCRAM-SHA-256$2000001:" + salt16 + "$" + hash32 + ":" + hash32, errIterations},
	{"SCRAM-SHA-256$99999999999999999999:" + salt16 + "$" + hash32 + ":" + hash32, errIterations},
	{"SCRAM-SHA-256$4096:$" + hash32 + ":" + hash32, errSalt},
	{"SCRAM-SHA-256$4096:" + encode(make([]byte, 7)) + "$" + hash32 + ":" + hash32, errSalt},
	{"SCRAM-SHA-256$4096:" + encode(make([]byte, 65)) + "$" + hash32 + ":" + hash32, errSalt},
}

func TestParseVerifier(t *testing.T) {
	t.Parallel()
	for _, tt := range malformedVerifiers {
		if _, err := ParseVerifier(tt.text); !errors.Is(err, tt.err) || strings.Contains(err.Error(), hash32) {
			t.Errorf("%q: %v, expected %v", tt.text, err, tt.err)
		}
	}
	for _, text := range []string{
		"SCRAM-SHA-256$4096:" + encode(make([]byte, 8)) + "$" + hash32 + ":" + hash32,
		"SCRAM-SHA-256$2000000:" + encode(make([]byte, 64)) + "$" + hash32 + ":" + hash32,
	} {
		if v, err := ParseVerifier(text); err != nil || v.Encode() != text {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzVerifier: a text that parses is written back unchanged, and is within the bounds.
func FuzzVerifier(f *testing.F) {
	f.Add(rfcVerifier)
	for _, tt := range malformedVerifiers {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVerifier(text)
		if err != nil {
			return
		}
		if v.Encode() != text || v.iterations < minIterations || v.iterations > maxIterations || len(v.salt) < minSalt || len(v.salt) > maxSalt {
			t.Errorf("%q: %s", text, v.Encode())
		}
		if d := v.Decoy([32]byte{}, text); len(d.Encode()) != len(text) {
			t.Errorf("the decoy of %s is %s", text, d.Encode())
		}
	})
}

// FuzzPrepare: SASLprep never panics, and preparing again changes nothing.
func FuzzPrepare(f *testing.F) {
	for _, text := range []string{"", "user", "I\u00adX", "\u00aa", "\u2168", "\u0007", "\u0627\u0031", "\u0627\u0031\u0628", "\xff", "\U0001F600"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		prepared, ok := prepare(text)
		if !ok {
			return
		}
		if again, ok := prepare(prepared); !ok || again != prepared {
			t.Errorf("%q is %q, then %q", text, prepared, again)
		}
	})
}

package keystore_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// asWriter is an environment variable with a URL. It makes the test binary write to that
// store until it is killed, or until its standard input ends.
const asWriter = "KEYSTORE_TEST_WRITER"

func TestMain(m *testing.M) {
	if url := os.Getenv(asWriter); url != "" {
		go ztest.EndWithStdin()
		if err := writeForever(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	ztest.Main(ztest.WithPrograms(m))
}

// identitiesWritten is the number of identities that a writer writes.
const identitiesWritten = 8

// writtenKey returns the key of the i-th identity.
func writtenKey(i int) curve.PublicKey {
	seed := sha256.Sum256(fmt.Append(nil, "identity ", i))
	secret, err := curve.NewSecretKey(seed[:])
	if err != nil {
		panic(err)
	}
	return secret.Public()
}

// written returns an identity whose properties all have the same value, so that a mixture
// of two versions shows.
func written(i, version int) *cert.Certificate {
	c := &cert.Certificate{Public: writtenKey(i), Metadata: cert.Metadata{{Name: "name", Value: fmt.Sprint("identity-", i)}}}
	for n := range 5 {
		c.Metadata = append(c.Metadata, struct{ Name, Value string }{fmt.Sprint("version-", n), fmt.Sprint(version)})
	}
	return c
}

// writeForever puts, revokes and removes identities.
func writeForever(url string) error {
	s, err := keystore.Open(url, nil)
	if err != nil {
		return err
	}
	for i := range identitiesWritten { // the steps that the last writer was killed before
		if _, revoked := s.Revocation(writtenKey(i)); revoked {
			if err := s.Unrevoke(writtenKey(i), time.Now(), ""); err != nil {
				return err
			}
		}
	}
	fmt.Println("writing")
	for version := 1; ; version++ {
		for i := range identitiesWritten {
			c := written(i, version)
			if _, revoked := s.Revocation(c.Public); revoked { // it was killed before it could lift the revocation
				if err := s.Unrevoke(c.Public, time.Now(), ""); err != nil {
					return err
				}
			}
			if err := s.Put(&keystore.Identity{Name: c.Name(), Certificate: c}); err != nil {
				return err
			}
			if version%4 == 2 {
				if err := s.Revoke(writtenKey(i), time.Now(), fmt.Sprint("version ", version)); err != nil {
					return err
				}
				if err := s.Unrevoke(writtenKey(i), time.Now(), ""); err != nil {
					return err
				}
			}
			if version%4 == 3 && i%2 == 0 {
				if err := s.Remove(writtenKey(i)); err != nil {
					return err
				}
			}
		}
		if version == 1 {
			fmt.Println("all are written")
		}
	}
}

// TestCrashUnraced: a process is killed at random moments while it writes. After that,
// each identity is complete, either old or new, and the store can be read and written.
// Race detection makes no sense for two processes.
func TestCrashUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	if testing.Short() {
		t.Skip("kills a few hundred processes")
	}
	exe, err := os.Executable()
	ztest.Must(t, err)
	for _, kind := range []string{"dir", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url := urlOf(t, kind)
			for round := range 200 {
				cmd := exec.CommandContext(t.Context(), exe)
				cmd.Env = append(os.Environ(), asWriter+"="+url)
				_, err := cmd.StdinPipe()
				ztest.Must(t, err)
				out, err := cmd.StdoutPipe()
				ztest.Must(t, err, cmd.Start())
				lines := make(chan string, 2) // all it prints
				go func() {
					defer close(lines)
					for in := bufio.NewScanner(out); in.Scan(); {
						lines <- in.Text()
					}
				}()
				says := func(want string) {
					if line := ztest.Receive(t, want, lines); line != want {
						t.Fatalf("the writer printed %q, want %q", line, want)
					}
				}
				says("writing")
				if round == 0 {
					says("all are written")
				}
				// At any moment: it doesn't matter how much it has written.
				time.Sleep(time.Duration(rand.Int64N(int64(25 * time.Millisecond))))
				ztest.Must(t, cmd.Process.Kill())
				for range lines { // until the pipe is closed
				}
				cmd.Wait()
				checkWritten(t, url, round)
			}
		})
	}
}

// checkWritten checks a store after its writer was killed.
func checkWritten(t *testing.T, url string, round int) {
	t.Helper()
	s, log := open(t, url)
	defer s.Close()
	if n := log.Count("level=ERROR"); n > 0 {
		t.Fatalf("round %d:\n%s", round, log)
	}
	for i := range identitiesWritten {
		id, ok := s.Lookup(writtenKey(i))
		if _, revoked := s.Revocation(writtenKey(i)); revoked {
			if ok {
				t.Fatalf("round %d: identity %d is known although it is revoked", round, i)
			}
			continue
		}
		if !ok {
			if _, revoked := s.Revocation(writtenKey(i)); i%2 != 0 && !revoked {
				t.Fatalf("round %d: identity %d was lost", round, i)
			}
			continue
		}
		version := id.Certificate.Metadata.Get("version-0")
		for n := range 5 {
			if id.Certificate.Metadata.Get(fmt.Sprint("version-", n)) != version || id.Name != fmt.Sprint("identity-", i) {
				t.Fatalf("round %d: identity %d mixes two versions: %v", round, i, id.Certificate.Metadata)
			}
		}
	}
	if n := len(slices.Collect(s.All())); n != s.Len() || n > identitiesWritten {
		t.Fatalf("round %d: %d of %d identities", round, n, s.Len())
	}
}

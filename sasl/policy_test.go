package sasl_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// verifierOf returns a verifier with few iterations, made from RFC 5802 by hand.
func verifierOf(t *testing.T, password string) string {
	t.Helper()
	salt := []byte("salt of 16 bytes")
	salted, err := pbkdf2.Key(sha256.New, password, salt, 4096, sha256.Size)
	ztest.Must(t, err)
	sign := func(text string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$4096:%s$%s:%s", encode(salt), encode(stored[:]), encode(sign("Server Key")))
}

// hashOf returns an Argon2id hash that is quick to check.
func hashOf(password string) string {
	salt := []byte("salt of 16 bytes")
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=1$%s$%s", encode(salt), encode(argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)))
}

// accounts returns a policy with two accounts, each with a hash for PLAIN and a verifier for SCRAM.
func accounts(t *testing.T, failures int) *policy.Policy {
	t.Helper()
	var list []policy.Account
	for login, password := range map[string]string{"alice": "wonderland", "carol": "christmas!"} {
		list = append(list, policy.Account{Login: login, Hash: hashOf(password) + " " + verifierOf(t, password)})
	}
	rules, err := policy.New(policy.Rules{{Name: "test", Failures: failures, SASL: []string{sasl.ScramSHA256, sasl.Plain}, Accounts: list}}, policy.Options{})
	ztest.Must(t, err)
	t.Cleanup(func() { ztest.Must(t, rules.Close()) })
	return rules
}

// attempt is an attempt to log in, by ZAP's PLAIN or by a SASL mechanism. It returns what the
// client learns.
func attempt(t *testing.T, rules *policy.Policy, mechanism, login, password string) string {
	t.Helper()
	if mechanism == "ZAP" {
		reply, err := zap.Ask(t.Context(), rules, &zap.Request{
			Domain: "test", Address: "192.0.2.1", Mechanism: zap.Plain, Credentials: [][]byte{[]byte(login), []byte(password)},
		})
		ztest.Must(t, err)
		return fmt.Sprint(reply.Status)
	}
	server, err := sasl.NewServer(sasl.ServerConfig{Codec: sasl.FILEMQ, Policy: rules, Domain: "test", Link: sasl.Link{Address: "192.0.2.1"}})
	ztest.Must(t, err)
	client, err := sasl.NewClient(sasl.ClientConfig{
		Codec: sasl.FILEMQ, Mechanisms: []string{mechanism}, Username: login, Password: zap.NewPassword(password), InsecurePlain: true,
	})
	ztest.Must(t, err)
	message, err := client.Start()
	for err == nil && message != nil {
		message, _ = server.Handle(t.Context(), message) // the client sees only the reply
		message, err = client.Handle(message)
	}
	if err == nil {
		return "200"
	}
	refused, ok := errors.AsType[*sasl.RefusedError](err)
	if !ok {
		t.Fatal(err)
	}
	return fmt.Sprint(refused.Reply.Status, refused.Reply.Text)
}

// TestPolicyAllocs: with a policy, a wrong user name and a wrong password take the same work, by
// ZAP and by SASL. Work is counted in allocations, of which each hash and each derivation
// makes some.
func TestPolicyAllocs(t *testing.T) {
	ztest.Unraced(t)
	for mechanism, runs := range map[string]int{"ZAP": 5, sasl.Plain: 5, sasl.ScramSHA256: 20} {
		rules := accounts(t, 1000)
		if got := attempt(t, rules, mechanism, "alice", "wonderland"); got != "200" {
			t.Fatalf("%s: %s", mechanism, got)
		}
		// The least of some runs, as the policy and the collector allocate in the background.
		work := func(login, password string) float64 {
			least := math.Inf(1)
			for range runs {
				least = min(least, testing.AllocsPerRun(1, func() { attempt(t, rules, mechanism, login, password) }))
			}
			return least
		}
		if user, password := work("bobby", "wonderland"), work("alice", "wonderlane"); user != password {
			t.Errorf("%s: a wrong user takes %v allocations, a wrong password %v", mechanism, user, password)
		}
		if user, password := attempt(t, rules, mechanism, "bobby", "wonderland"), attempt(t, rules, mechanism, "alice", "wonderlane"); user != password {
			t.Errorf("%s: a wrong user learns %s, one with a wrong password %s", mechanism, user, password)
		}
	}
}

// TestPolicyCountsGuesses: a policy counts guesses by SCRAM like those by PLAIN, and by SASL like
// those by ZAP, across many connections. After as many as it allows, it refuses even the right
// password.
func TestPolicyCountsGuesses(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"ZAP", sasl.Plain, sasl.ScramSHA256} {
		for _, login := range []string{"alice", "bobby"} {
			rules := accounts(t, 3)
			for range 3 {
				attempt(t, rules, mechanism, login, "wrong")
			}
			for _, by := range []string{"ZAP", sasl.Plain, sasl.ScramSHA256} {
				if got := attempt(t, rules, by, "alice", "wonderland"); got == "200" {
					t.Errorf("after 3 wrong guesses by %s, %s admits", mechanism, by)
				}
			}
		}
	}
}

package sasl_test

import (
	"fmt"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// TestPolicyChanges: a policy that changes during an exchange decides by its new rules, until it
// has decided.
func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	key, serverKey := curve.GenerateKey(), curve.GenerateKey()
	byCurve, err := curve.NewServer(serverKey)
	ztest.Must(t, err)
	verifier, other := verifierOf(t, "wonderland"), verifierOf(t, "looking-glass")
	account := func(login, password, verifier string) policy.Account {
		return policy.Account{Login: login, Hash: hashOf(password) + " " + verifier}
	}
	// rulesOf returns rules that offer every mechanism, and admit only this account.
	rulesOf := func(a policy.Account) policy.Rules {
		return policy.Rules{{Name: "test", SASL: []string{sasl.ScramSHA256Plus, sasl.Curve, sasl.External, sasl.ScramSHA256, sasl.Plain, sasl.Anonymous},
			Accounts: []policy.Account{a}}}
	}
	before := rulesOf(account("alice", "wonderland", verifier))
	before[0].Anonymous, before[0].Curve = true, &policy.Curve{Any: true}
	changes := map[string]policy.Rules{
		"another password": rulesOf(account("alice", "looking-glass", other)),
		"account removed":  rulesOf(account("bob", "wonderland", verifier)),
		"no account":       {{Name: "test", Principals: []string{"alice"}}},
		"domain removed":   {{Name: "elsewhere", Anonymous: true}},
	}
	// decision is the client's message about which the policy decides.
	decision := map[string]int{sasl.ScramSHA256Plus: 3, sasl.Curve: 3, sasl.External: 2, sasl.ScramSHA256: 3, sasl.Plain: 2, sasl.Anonymous: 2}
	for mechanism, last := range decision {
		for what, after := range changes {
			for at := 2; at <= last+1; at++ {
				t.Run(fmt.Sprintf("%s/%s before message %d", mechanism, what, at), func(t *testing.T) {
					t.Parallel()
					rules, err := policy.New(before, policy.Options{})
					ztest.Must(t, err)
					defer rules.Close()
					server, err := sasl.NewServer(sasl.ServerConfig{
						Codec: sasl.NOM, Policy: rules, Domain: "test", Curve: byCurve,
						Link: sasl.Link{Address: "192.0.2.1", Key: key.Public(), Binding: [32]byte{1}},
					})
					ztest.Must(t, err)
					defer server.Close()
					client, err := sasl.NewClient(sasl.ClientConfig{
						Codec: sasl.NOM, Mechanisms: []string{mechanism}, Username: "alice", Password: zap.NewPassword("wonderland"),
						Key: key, ServerKey: serverKey.Public(), Link: sasl.Link{Key: serverKey.Public(), Binding: [32]byte{1}},
					})
					ztest.Must(t, err)
					defer client.Close()
					message, err := client.Start()
					for number := 1; err == nil && message != nil; number++ {
						if number == at {
							ztest.Must(t, rules.Set(after))
						}
						message, _ = server.Handle(t.Context(), message)
						message, err = client.Handle(message)
					}
					_, admitted := server.User()
					if is := at > last; admitted != is || client.Done() != is {
						t.Errorf("admitted %v, client done %v: %v; must be %v", admitted, client.Done(), err, is)
					}
				})
			}
		}
	}
}

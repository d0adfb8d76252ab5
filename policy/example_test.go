package policy_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// byKey returns a request by a client that has proved that it holds a key.
func byKey(domain string, key curve.PublicKey) *zap.Request {
	return &zap.Request{Domain: domain, Address: "10.1.2.3", Mechanism: zap.Curve, Credentials: [][]byte{key[:]}}
}

// A policy from a file, which is watched while it is in use.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "policy")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "policy.zpl")
	if err := os.WriteFile(file, []byte("security\n    allow = 10.0.0.0/8\n    anonymous = 1\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	p, err := policy.Load(file, policy.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go p.Watch(ctx) // applies changes of the file
	for _, address := range []string{"10.1.2.3", "192.0.2.1"} {
		reply := p.Handle(ctx, &zap.Request{Address: address, Mechanism: zap.Null})
		fmt.Println(reply.Status, reply.Text, filepath.Base(reply.Rule))
	}
	// Output:
	// 200 OK policy.zpl:3
	// 400 address not allowed policy.zpl:1
}

// A policy from Go code. Decisions cite lines, as if it were a file.
func ExampleNew() {
	store := keystore.NewMemory()
	defer store.Close()
	alice, bob := cert.Generate("alice"), cert.Generate("bob")
	err := store.Put(
		&keystore.Identity{Name: "alice", Certificate: alice, Groups: []string{"traders"}},
		&keystore.Identity{Name: "bob", Certificate: bob},
	)
	if err != nil {
		fmt.Println(err)
		return
	}

	rules := policy.Rules{
		{Name: "payments", Allow: []string{"10.0.0.0/8"}, Curve: &policy.Curve{Readers: []keystore.Reader{store}, Groups: []string{"traders"}}},
		{Name: "status", Anonymous: true},
	}
	fmt.Print(rules)
	p, err := policy.New(rules, policy.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	for _, req := range []*zap.Request{
		byKey("payments", alice.Public),
		byKey("payments", curve.GenerateKey().Public()),
		{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{alice.Public[:]}},
		{Domain: "status", Mechanism: zap.Null},
	} {
		reply := p.Handle(context.Background(), req)
		fmt.Println(reply.Status, reply.Text, reply.Rule)
	}
	// Output:
	// security
	//     domain = payments
	//     allow = 10.0.0.0/8
	//     curve = 1
	//         # keystore of the program
	//         group = traders
	// security
	//     domain = status
	//     anonymous = 1
	// 200 OK rules:5
	// 400 unknown key rules:4
	// 400 address not allowed rules:1
	// 200 OK rules:9
}

// Rules from a program's own configuration, which may change at any time.
func ExamplePolicy_Set() {
	rules := policy.Rules{{Name: "status", Anonymous: true}}
	p, err := policy.New(rules, policy.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	status := &zap.Request{Domain: "status", Address: "192.0.2.1", Mechanism: zap.Null}
	fmt.Println(p.Handle(context.Background(), status).Text)

	rules[0].Deny = []string{"192.0.2.0/33"}
	fmt.Println(p.Set(rules)) // changes nothing
	fmt.Println(p.Handle(context.Background(), status).Text)

	rules[0].Deny = []string{"192.0.2.0/24"}
	fmt.Println(p.Set(rules))
	fmt.Println(p.Handle(context.Background(), status).Text)
	// Output:
	// OK
	// policy: rules:3:12: invalid value: deny: expected an address or network, such as 10.0.0.0/8 or fd00::/8
	// OK
	// <nil>
	// address denied
}

// Rules from text that the program stores itself.
func ExampleParse() {
	rules, err := policy.Parse("app.conf", []byte("security\n    domian = status\n    anonymous = yes\n"))
	fmt.Println(rules, err)
	rules, err = policy.Parse("app.conf", []byte("security\n    domain = status\n    anonymous = 1\n"))
	fmt.Println(rules[0].Name, rules[0].Anonymous, err)
	// Output:
	//  policy: app.conf:2:5: unknown name domian: did you mean domain?
	// app.conf:3:17: invalid value: anonymous: expected 1 or 0
	// status true <nil>
}

// The default policy: it has no rules, and admits the clients of a keystore.
func ExampleDefault() {
	dir, err := os.MkdirTemp("", "clients")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	alice := cert.Generate("alice")
	if err := alice.SavePublic(filepath.Join(dir, "alice.key")); err != nil {
		fmt.Println(err)
		return
	}

	store, err := keystore.Open("dir:"+dir, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	p, err := policy.Default(store, policy.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	for _, key := range []curve.PublicKey{alice.Public, curve.GenerateKey().Public()} {
		reply := p.Handle(context.Background(), byKey("payments", key))
		fmt.Println(reply.Status, reply.Text, reply.UserID)
	}
	// Output:
	// 200 OK alice
	// 400 unknown key
}

// A domain whose clients need a key and a password: neither is enough. A server of package
// sasl admits them with both, by SCRAM-SHA-256-PLUS.
func ExampleCurve_passwordFor() {
	store := keystore.NewMemory()
	defer store.Close()
	alice := cert.Generate("alice")
	if err := store.Put(&keystore.Identity{Name: "alice", Certificate: alice}); err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := sasl.NewVerifier([]byte("correct horse"))
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := policy.New(policy.Rules{{
		Name:     "vault",
		Accounts: []policy.Account{{Login: "alice", Hash: verifier.Encode()}},
		Curve:    &policy.Curve{Readers: []keystore.Reader{store}, PasswordFor: []string{"*"}},
	}}, policy.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	fmt.Println(p.Mechanisms("vault", true))
	byPassword := &zap.Request{Domain: "vault", Mechanism: zap.Plain, Credentials: [][]byte{[]byte("alice"), []byte("correct horse")}}
	for _, req := range []*zap.Request{byKey("vault", alice.Public), byPassword} {
		reply := p.Handle(context.Background(), req)
		fmt.Println(reply.Status, reply.Text)
	}
	// Output:
	// [SCRAM-SHA-256-PLUS]
	// 400 needs a password as well (password-for)
	// 400 needs a key as well (password-for)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/modes"
	"github.com/zcurve/zcurve/internal/storeurl"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// rules decide which clients are admitted, until they are closed.
type rules interface {
	Reload() error
	Watch(context.Context) error
	Close() error
}

// ruleFlags are the flags that name the rules.
type ruleFlags struct {
	policy   string
	keystore string
	askers   string
	state    string
	readOnly bool // don't write the state
	strict   bool
}

// addState adds the flag --state.
func (f *ruleFlags) addState(flags *pflag.FlagSet) {
	flags.StringVar(&f.state, "state", "", "remember revoked keys in `FILE`; none forgets them at a restart (default in $STATE_DIRECTORY, or POLICY.state or KEYSTORE.state)")
}

// check returns an error if the flags name two sets of rules.
func (f ruleFlags) check(keystoreGiven bool) error {
	switch {
	case f.policy != "" && keystoreGiven:
		return cli.Usagef("--keystore cannot be combined with --policy: the policy names its own keystores")
	case f.policy != "" && f.askers != "":
		return cli.Usagef("--askers cannot be combined with --policy: its section \"domain = %s\" lists who may ask", policy.LinkDomain)
	}
	return nil
}

// open loads the policy, or the default policy over the keystores.
func (f ruleFlags) open(log *slog.Logger) (sasl.Policy, rules, error) {
	if err := f.refuseExposed(log); err != nil {
		return nil, nil, err
	}
	if f.policy != "" {
		p, err := policy.Load(f.policy, f.options("", log))
		if err != nil {
			return nil, nil, stateHint(err)
		}
		return p, p, nil
	}
	clients, err := openDefault(f.keystore, f.options(f.keystore, log))
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.Hint(err, "create the directory, or pass the keystore of the clients: --keystore URL")
	}
	if err != nil {
		return nil, nil, err
	}
	if f.askers == "" {
		return withLink{clients: clients}, clients, nil
	}
	askers, err := openDefault(f.askers, f.options(f.askers, log))
	if err != nil {
		clients.Close()
		return nil, nil, fmt.Errorf("--askers: %w", err)
	}
	return withLink{clients, askers}, allRules{clients, askers}, nil
}

// options returns the options of the policy file if url is "", or of the default policy
// over the keystore at url.
func (f ruleFlags) options(url string, log *slog.Logger) policy.Options {
	return policy.Options{Log: log, State: f.statePath(url), ReadOnly: f.readOnly}
}

// defaultPolicy is the default policy, and the keystore that it reads.
type defaultPolicy struct {
	*policy.Policy
	store keystore.Store
	url   string // of the keystore
}

// openDefault returns the default policy over a keystore.
func openDefault(url string, o policy.Options) (*defaultPolicy, error) {
	store, err := keystore.Open(url, o.Log)
	if err != nil {
		return nil, err
	}
	p, err := policy.Default(store, o)
	if err != nil {
		store.Close()
		return nil, stateHint(err)
	}
	return &defaultPolicy{p, store, url}, nil
}

// Reload reloads the keystore first, so that the policy learns what was revoked in it.
func (d *defaultPolicy) Reload() error { return errors.Join(d.store.Reload(), d.Policy.Reload()) }

func (d *defaultPolicy) Watch(ctx context.Context) error {
	return allRules{d.Policy, d.store}.Watch(ctx)
}

func (d *defaultPolicy) Close() error { return errors.Join(d.Policy.Close(), d.store.Close()) }

// stateHint adds a hint to an error from writing the state.
func stateHint(err error) error {
	if errors.Is(err, policy.ErrStateWrite) {
		return cli.Hint(err, "zauth remembers revoked keys there: choose another file with --state FILE, or forget them at a restart with --state none")
	}
	return err
}

// stateDirectory is the environment variable in which systemd passes the directory of
// a service's persistent state.
const stateDirectory = "STATE_DIRECTORY"

// statePath returns the path of the state: --state, or a file in $STATE_DIRECTORY, or
// one next to the keystore at url. It returns "" for next to the policy, if url is "".
func (f ruleFlags) statePath(url string) string {
	isAskers := url != "" && url == f.askers
	switch dir, _, _ := strings.Cut(os.Getenv(stateDirectory), ":"); {
	case f.state == policy.StateNone, f.state != "" && !isAskers:
		return f.state
	case f.state != "":
		return f.state + ".askers"
	case dir != "" && isAskers:
		return filepath.Join(dir, "askers.state")
	case dir != "":
		return filepath.Join(dir, "zauth.state")
	case url == "":
		return ""
	}
	kind, path := storeurl.Split(url)
	if !storeurl.HasPath(kind) {
		return policy.StateNone
	}
	return filepath.Clean(path) + ".state"
}

// refuseExposed returns an error, with --strict, if other users can change the files that
// decide. Otherwise it logs a warning, except about a policy, which does so itself.
func (f ruleFlags) refuseExposed(log *slog.Logger) error {
	var exposed []string
	if f.policy != "" {
		if !f.strict {
			return nil
		}
		var err error
		if exposed, err = policy.Exposed(f.policy); err != nil {
			return err
		}
	} else {
		for _, url := range []string{f.keystore, f.askers} {
			if why := modes.Store(url); url != "" && why != "" {
				exposed = append(exposed, why)
			}
		}
	}
	for _, why := range exposed {
		if f.strict {
			return errors.New(why)
		}
		log.Warn("other users can change this file, which decides", "reason", why)
	}
	return nil
}

// withLink is the default policy for clients, together with one for the services that
// ask. A key that is revoked in either is refused by both.
type withLink struct {
	clients *defaultPolicy
	askers  *defaultPolicy // nil if no service may ask
}

func (l withLink) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	if req.Domain != policy.LinkDomain {
		return unlessRevoked(l.clients.Handle(ctx, req), req, l.askers, "--askers")
	}
	if l.askers == nil {
		return zap.Reply{Status: zap.StatusRefused, Text: "no keystore of services that may ask", Rule: "--askers"}
	}
	own := *req
	own.Domain = "" // the default policy has no section for LinkDomain
	return unlessRevoked(l.askers.Handle(ctx, &own), req, l.clients, "--keystore")
}

// Keep implements zap.Keeper. The policy that decided watches its decision, and the other one
// watches whether it revokes the key.
func (l withLink) Keep(req *zap.Request, reply zap.Reply, end func(zap.Reply)) (release func()) {
	by, other, rule, own := l.clients, l.askers, "--askers", *req
	if req.Domain == policy.LinkDomain {
		by, other, rule, own.Domain = l.askers, l.clients, "--keystore", ""
	}
	if by == nil {
		return func() {}
	}
	var once sync.Once
	endOnce := func(reply zap.Reply) { once.Do(func() { end(reply) }) }
	releaseOwn := by.Keep(&own, reply, endOnce)
	key, ok := req.CurveKey()
	if other == nil || !ok {
		return releaseOwn
	}
	releaseOther := other.KeepUnrevoked(key, func(reason string) {
		endOnce(zap.Reply{Status: zap.StatusRefused, Text: reason, Rule: rule, Identity: reply.Identity})
	})
	return func() {
		releaseOwn()
		releaseOther()
	}
}

// Mechanisms returns the SASL mechanisms for clients. Services do not use SASL to ask.
func (l withLink) Mechanisms(domain string, encrypted bool) []string {
	return l.clients.Mechanisms(domain, encrypted)
}

// Verifier returns the zero Verifier: the default policy has no accounts.
func (l withLink) Verifier(ctx context.Context, domain, login string) (sasl.Verifier, error) {
	return l.clients.Verifier(ctx, domain, login)
}

// unlessRevoked returns reply, or a refusal if the client's key is revoked in by.
func unlessRevoked(reply zap.Reply, req *zap.Request, by *defaultPolicy, rule string) zap.Reply {
	key, ok := req.CurveKey()
	if reply.Status != zap.StatusOK || by == nil || !ok {
		return reply
	}
	if reason, revoked := by.Revoked(key); revoked {
		return zap.Reply{Status: zap.StatusRefused, Text: reason, Rule: rule, Identity: reply.Identity}
	}
	return reply
}

// HandleAtOnce decides about clients only. It leaves the services, which are few, to
// Handle.
func (l withLink) HandleAtOnce(req *zap.Request) (reply zap.Reply, ok bool) {
	if req.Domain == policy.LinkDomain {
		return zap.Reply{}, false
	}
	if reply, ok = l.clients.HandleAtOnce(req); !ok {
		return zap.Reply{}, false
	}
	return unlessRevoked(reply, req, l.askers, "--askers"), true
}

// knowsAskers reports whether any service may ask by CURVE.
func knowsAskers(handler zap.Handler) bool {
	switch h := handler.(type) {
	case withLink:
		return h.askers != nil
	case *policy.Policy:
		return h.HasDomain(policy.LinkDomain)
	}
	return false
}

// allRules combines several rules, which are reloaded, watched and closed together.
type allRules []rules

func (all allRules) Reload() error {
	var errs []error
	for _, r := range all {
		errs = append(errs, r.Reload())
	}
	return errors.Join(errs...)
}

func (all allRules) Watch(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range all {
		group.Go(func() error { return r.Watch(ctx) })
	}
	return group.Wait()
}

func (all allRules) Close() error {
	var errs []error
	for _, r := range all {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

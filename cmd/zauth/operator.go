package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/storeurl"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// admitStore opens the keystore of --admit-to. It is opened for each change: the policy has
// its own, which notices what changes. A keystore that no rule reads is an error, because a
// change would have no effect.
func (d *daemon) admitStore() (keystore.Store, error) {
	switch {
	case d.flags.admitTo == "":
		return nil, &control.Error{Code: control.CodeRefused, Text: "this zauth changes no keystore: it runs without --admit-to",
			Hint: "change the keystore with zcert store, or start zauth with --admit-to URL"}
	case !d.readsAdmitTo():
		return nil, &control.Error{Code: control.CodeRefused, Text: "nothing changed: no rule reads the keystore of --admit-to, " + d.flags.admitTo,
			Hint: "add the keystore to the policy, or start zauth with another --admit-to URL"}
	}
	return d.openAdmitTo()
}

func (d *daemon) openAdmitTo() (keystore.Store, error) {
	return keystore.Open(d.flags.admitTo, slog.New(slog.DiscardHandler))
}

// readsAdmitTo reports whether a rule reads the keystore of --admit-to.
func (d *daemon) readsAdmitTo() bool {
	for _, p := range policiesOf(d.rules) {
		for _, read := range p.Report().Stores {
			if isSameStore(cmp.Or(read.URL, p.url), d.flags.admitTo) {
				return true
			}
		}
	}
	return false
}

// checkAdmitTo returns an error if the keystore of --admit-to cannot be changed. It logs a warning
// if no rule reads it.
func (d *daemon) checkAdmitTo() error {
	url := d.flags.admitTo
	if url == "" {
		return nil
	}
	if kind, _ := storeurl.Split(url); kind != storeurl.Dir && kind != storeurl.Bolt {
		return cli.Usagef("--admit-to %s: must be a dir: or bolt: keystore", url)
	}
	store, err := d.openAdmitTo()
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.Hint(err, "create the keystore, or name another with --admit-to URL")
	}
	if err != nil {
		return fmt.Errorf("--admit-to: %w", err)
	}
	store.Close()
	if !d.readsAdmitTo() {
		d.log.Warn("zauth admit and deny will change nothing: no rule reads the keystore of --admit-to", "keystore", url)
	}
	return nil
}

// isSameStore reports whether two URLs name the same keystore. It may be missing.
func isSameStore(a, b string) bool {
	kindA, pathA := storeurl.Split(a)
	kindB, pathB := storeurl.Split(b)
	if kindA == kindB && filepath.Clean(pathA) == filepath.Clean(pathB) {
		return true
	}
	infoA, errA := os.Stat(pathA)
	infoB, errB := os.Stat(pathB)
	return kindA == kindB && errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// admit puts a client's key into the keystore of --admit-to, and says what zauth decides
// about it now.
func (d *daemon) admit(ctx context.Context, asker string, req control.Request) (any, error) {
	store, err := d.admitStore()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	key, err := curve.ParsePublicKey(req.Client)
	asked, ok := d.monitor.Find(req.Client)
	if ok {
		key, err = curve.ParsePublicKey(asked.Key)
	}
	if err != nil {
		return nil, &control.Error{Code: control.CodeNotFound, Text: req.Client + ": not a key, and not the fingerprint of a client that asked",
			Hint: "list the clients that asked: zauth pending"}
	}
	id := &keystore.Identity{Name: req.Name, Groups: req.Groups,
		Certificate: &cert.Certificate{Public: key, Metadata: cert.Metadata{{"name", req.Name}}}}
	if before, ok := store.Lookup(key); ok {
		if before.Name != req.Name {
			return nil, &control.Error{Code: control.CodeRefused, Text: fmt.Sprintf("this key is in %s already, as %s", d.flags.admitTo, before.Name),
				Hint: "to add groups to it, pass its name: --name " + cli.Quote(before.Name)}
		}
		id.Certificate = before.Certificate
		id.Groups = slices.Concat(before.Groups, req.Groups)
	}
	if err := store.Put(id); err != nil {
		return nil, d.storeError(err, key)
	}
	err = d.rules.Reload()
	d.tellChange("client admitted by operator", asker, key, req.Name)
	if err != nil {
		return nil, fmt.Errorf("%s was written, but reloading failed: %w", d.flags.admitTo, err)
	}
	result := control.Changed{Name: req.Name, Key: key.String(), Fingerprint: key.Fingerprint(), Keystore: d.flags.admitTo}
	if last := latest(asked); ok {
		reply := d.handler.Handle(ctx, &zap.Request{Asker: last.Asker, Domain: last.Domain, Address: last.Address, Mechanism: zap.Curve, Credentials: [][]byte{key[:]}})
		result.Decision = &monitor.Last{Time: time.Now().UTC(), Domain: last.Domain, Address: last.Address, Asker: last.Asker, Status: int(reply.Status), Rule: reply.Rule}
		if reply.Status != zap.StatusOK {
			result.Decision.Reason = reply.Text
		}
	}
	return result, nil
}

// deny revokes a key in the keystore of --admit-to.
func (d *daemon) deny(asker string, req control.Request) (any, error) {
	store, err := d.admitStore()
	if err != nil {
		return nil, err
	}
	defer store.Close()
	key, err := d.identify(store, req.Client)
	if err != nil {
		return nil, err
	}
	result := control.Changed{Key: key.String(), Fingerprint: key.Fingerprint(), Keystore: d.flags.admitTo}
	if id, ok := store.Lookup(key); ok {
		result.Name = id.Name
	}
	if before, ok := store.Revocation(key); ok {
		return nil, &control.Error{Code: control.CodeRefused, Text: fmt.Sprintf("this key is revoked already: %v", before)}
	}
	if err := store.Revoke(key, time.Now(), req.Reason); err != nil {
		return nil, d.storeError(err, key)
	}
	err = d.rules.Reload()
	d.monitor.Forget(key)
	d.tellChange("client denied by operator", asker, key, result.Name)
	if err != nil {
		return nil, fmt.Errorf("%s was written, but reloading failed: %w", d.flags.admitTo, err)
	}
	return result, nil
}

// identify returns the key of a client that is named by its key, by its fingerprint, or by
// its name in the keystore.
func (d *daemon) identify(store keystore.Store, client string) (curve.PublicKey, error) {
	found := map[curve.PublicKey]bool{}
	if key, err := curve.ParsePublicKey(client); err == nil {
		found[key] = true
	}
	isKey := monitor.KeyOf(client)
	for id := range store.All() {
		if id.Name == client || isKey != nil && isKey(id.Key()) {
			found[id.Key()] = true
		}
	}
	if c, ok := d.monitor.Find(client); ok {
		if key, err := curve.ParsePublicKey(c.Key); err == nil {
			found[key] = true
		}
	}
	for key := range found {
		if len(found) == 1 {
			return key, nil
		}
	}
	if len(found) == 0 {
		return curve.PublicKey{}, &control.Error{Code: control.CodeNotFound,
			Text: fmt.Sprintf("%s: not a key, not the fingerprint of a client that asked, and not a name in %s", client, d.flags.admitTo),
			Hint: "list the clients that asked: zauth clients"}
	}
	return curve.PublicKey{}, &control.Error{Code: control.CodeNotFound, Text: fmt.Sprintf("%s: ambiguous: names %d keys", client, len(found)),
		Hint: "pass its key instead"}
}

// storeError says what to do about an error from changing the keystore of --admit-to.
func (d *daemon) storeError(err error, key curve.PublicKey) error {
	failed := &control.Error{Code: control.CodeRefused, Text: d.flags.admitTo + ": " + cli.Message(err)}
	switch url := cli.Quote(d.flags.admitTo); {
	case errors.Is(err, keystore.ErrRevoked):
		failed.Hint = fmt.Sprintf("to lift the revocation: zcert store unrevoke %s -- '%s'", url, key)
	case errors.Is(err, keystore.ErrReadOnly):
		failed.Hint = "name a directory or a bolt: keystore with --admit-to"
	}
	return failed
}

// tellChange records in the log and in the audit log what the operator has changed.
func (d *daemon) tellChange(message, asker string, key curve.PublicKey, name string) {
	attrs := []any{slog.String("asker", asker), slog.String("key", key.String()), slog.String("fingerprint", key.Fingerprint()), slog.String("identity", name), slog.String("keystore", d.flags.admitTo)}
	d.log.Info(message, attrs...)
	if d.audit != nil {
		d.tellAuditFailed(d.audit.event(message, attrs...))
	}
}

// tellAuditFailed logs that a change of the operator is not in the audit log, unless err is nil.
func (d *daemon) tellAuditFailed(err error) {
	if err != nil {
		d.log.Error("writing the audit log failed: the change is only in this log", "err", err)
	}
}

// switchAudit turns the audit log on or off.
func (d *daemon) switchAudit(asker, state string) (any, error) {
	switch {
	case d.audit == nil:
		return nil, &control.Error{Code: control.CodeRefused, Text: "this zauth has no audit log: it runs without --audit"}
	case d.flags.required && state == "off":
		return nil, &control.Error{Code: control.CodeRefused, Text: "the audit log stays on: zauth runs with --audit-required"}
	}
	message := "audit log turned on by operator"
	if state == "off" {
		message = "audit log turned off by operator"
	}
	changed, err := d.audit.turn(state == "on", message, slog.String("asker", asker))
	if changed {
		d.log.Warn(message, "asker", asker)
	}
	d.tellAuditFailed(err)
	return control.AuditState{Audit: d.audit.state()}, nil
}

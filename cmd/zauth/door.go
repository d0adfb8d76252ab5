package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/modes"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// none, as an endpoint, turns a door off.
const none = "none"

// Names of the sockets in the directory of a running zauth.
const (
	controlSocket   = "control"
	decisionsSocket = "decisions"
)

// doorFlags are the flags of zauth serve for its operator.
type doorFlags struct {
	control string
	publish string
	admitTo string
}

func (f *doorFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.control, "control", "", "answer zauth status, admit and others at `ENDPOINT`; none turns it off (default: a socket for the user that runs zauth)")
	flags.StringVar(&f.publish, "publish", "", "publish decisions, for zauth watch, at `ENDPOINT`; none turns it off (default: a socket beside that of --control)")
	flags.StringVar(&f.admitTo, "admit-to", "", "let zauth admit and zauth deny change the keystore at `URL`")
}

// ownDirectory returns the directory for the sockets of a zauth that this user starts, or "".
func ownDirectory() string {
	runtime, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	switch session := os.Getenv("XDG_RUNTIME_DIR"); {
	case runtime != "":
		return runtime
	case session != "":
		return filepath.Join(session, "zauth")
	case os.Geteuid() == 0:
		return systemDirectory
	}
	return ""
}

// systemDirectory is where the sockets of a zauth are that the system runs.
const systemDirectory = "/run/zauth"

// door is where the operator of a running zauth connects. Its fields are nil if they are
// turned off.
type door struct {
	daemon    *daemon
	control   *zmtp.Listener
	publisher *control.Publisher
}

// openDoor listens for the operator. A default endpoint that cannot be used is logged; any
// other one is an error. link is that of the services that ask zauth.
func (d *daemon) openDoor(ctx context.Context, link zmtp.Config) (*door, error) {
	defer withPrivateFiles()()
	opened := &door{daemon: d}
	err := d.openAt("control", cmp.Or(d.flags.control, os.Getenv(controlVariable)), controlSocket, func(at string) error {
		link, err := d.doorLink("--control", at, policy.ControlDomain, link)
		if err != nil {
			return err
		}
		if opened.control, err = control.Listen(ctx, at, link); err == nil {
			d.log.Info("control socket opened", "endpoint", opened.control.Endpoint())
		}
		return err
	})
	if err == nil {
		err = d.openAt("publish", cmp.Or(d.flags.publish, os.Getenv(publishVariable)), decisionsSocket, func(at string) error {
			link, err := d.doorLink("--publish", at, policy.DecisionsDomain, link)
			if err != nil {
				return err
			}
			var security zmq4.Security
			if link.Mechanism == zap.Curve {
				security = zmq4.CurveServer(link.Key, link.Domain, link.Handler)
			}
			host, _ := os.Hostname()
			opened.publisher, err = control.NewPublisher(ctx, at, security, control.Event{Host: host, Endpoint: d.endpoints[0]}, d.monitor.Follow)
			if err == nil {
				d.log.Info("decisions are published", "endpoint", opened.publisher.Endpoint())
			}
			return err
		})
	}
	if err != nil {
		opened.close()
		return nil, err
	}
	return opened, nil
}

// openAt opens the door of a flag at the endpoint that the flag names, or at its default.
func (d *daemon) openAt(flag, at, socket string, open func(at string) error) error {
	isDefault := at == ""
	if isDefault {
		dir := ownDirectory()
		if dir == "" {
			return nil
		}
		at = "ipc://" + filepath.Join(dir, socket)
	}
	if at == none {
		return nil
	}
	var err error
	if path := socketPath(at); path != "" {
		err = makePrivateDirectory(filepath.Dir(path))
	}
	if err == nil {
		err = d.checkPlace(at)
	}
	if err == nil {
		err = open(at)
	}
	if err != nil && isDefault {
		d.log.Warn("control socket not opened: choose another with --control and --publish, or none", "endpoint", at, "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	d.doors = append(d.doors, at)
	return nil
}

// checkPlace logs a warning, or returns an error with --strict, if other users can put a socket of
// their own in the place of a door, and so learn what the operator asks for.
func (d *daemon) checkPlace(at string) error {
	path := socketPath(at)
	if path == "" {
		return nil
	}
	why := modes.Writable(filepath.Dir(path))
	if why == "" {
		return nil
	}
	if d.flags.strict {
		return errors.New(why)
	}
	d.log.Warn("other users can replace this socket", "endpoint", at, "reason", why)
	return nil
}

// socketPath returns the file of an ipc endpoint, whose mode says who may connect, or "".
func socketPath(at string) string {
	path, ok := strings.CutPrefix(at, "ipc://")
	if !ok || strings.HasPrefix(path, "@") {
		return ""
	}
	return path
}

// makePrivateDirectory creates a directory for this user alone, unless it exists.
func makePrivateDirectory(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// doorLink returns how the connections of a door are secured: the sockets of this user by
// their mode, all others by CURVE and the policy.
func (d *daemon) doorLink(flag, at, domain string, link zmtp.Config) (zmtp.Config, error) {
	if err := endpoint.Check(at); err != nil {
		return zmtp.Config{}, cli.Usage(err)
	}
	if socketPath(at) != "" {
		return zmtp.Config{Mechanism: zap.Null, Log: d.log}, nil
	}
	if link.Mechanism != zap.Curve {
		return zmtp.Config{}, cli.Hint(fmt.Errorf("refusing to listen on %s without CURVE: every user of this machine can connect", at),
			"use an ipc endpoint, or pass zauth's certificate: --cert zauth.key_secret")
	}
	if p, ok := d.rules.(*policy.Policy); !ok || !p.HasDomain(domain) {
		hint := fmt.Sprintf("add a section to the policy: security, domain = %s, curve = 1, keystore = dir:operators", domain)
		if !ok {
			hint = "write a policy, pass it with --policy, and " + hint
		}
		return zmtp.Config{}, cli.Hint(fmt.Errorf("%s: nothing says who may connect", at), hint)
	}
	link.Domain = domain
	return link, nil
}

// listeners returns the listeners that need zauth's new key when it changes.
func (d *door) listeners() []*zmtp.Listener {
	if d.control == nil {
		return nil
	}
	return []*zmtp.Listener{d.control}
}

// close closes a door that does not serve.
func (d *door) close() {
	if d.control != nil {
		d.control.Close()
	}
	if d.publisher != nil {
		d.publisher.Close()
	}
}

// serveControl answers the operator until ctx is done.
func (d *door) serveControl(ctx context.Context) error {
	if d.control == nil {
		return nil
	}
	return control.Serve(ctx, d.control, d.daemon.answer, d.daemon.log)
}

// publish publishes decisions until ctx is done.
func (d *door) publish(ctx context.Context) error {
	if d.publisher == nil {
		return nil
	}
	return d.publisher.Run(ctx)
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// Environment variables that name the endpoints of a running zauth.
const (
	controlVariable = "ZAUTH_CONTROL"
	publishVariable = "ZAUTH_PUBLISH"
)

// askPatience bounds a request to a running zauth.
const askPatience = time.Minute

// linkFlags are the flags that secure the connection to a running zauth.
type linkFlags struct {
	cert      string
	serverKey string
}

func (f *linkFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.cert, "cert", "", "connect by CURVE; `FILE` is your secret certificate")
	flags.StringVar(&f.serverKey, "server-key", "", "with --cert: zauth's public `KEY`, or the file of its certificate")
}

// check returns an error if one flag lacks the other.
func (f linkFlags) check() error {
	if (f.cert == "") != (f.serverKey == "") {
		return cli.Usagef("--cert and --server-key require each other")
	}
	return nil
}

// config returns how to connect to an endpoint.
func (f linkFlags) config(at string) (zmtp.Config, error) {
	if err := endpoint.CheckDial(at); err != nil {
		return zmtp.Config{}, cli.Usage(err)
	}
	if f.cert == "" {
		if socketPath(at) == "" {
			return zmtp.Config{}, cli.Hint(cli.Usagef("%s: zauth requires CURVE here", at), "pass --cert FILE.key_secret --server-key zauth.key")
		}
		return zmtp.Config{Mechanism: zap.Null}, nil
	}
	own, err := cert.Load(f.cert)
	if err != nil {
		return zmtp.Config{}, err
	}
	if own.Secret.IsZero() {
		return zmtp.Config{}, cli.Hint(fmt.Errorf("%s: no secret key in this file", f.cert), "use the secret certificate: --cert "+cli.Quote(f.cert+cert.SecretSuffix))
	}
	server, err := curve.ParsePublicKey(f.serverKey)
	if err != nil {
		c, err := cert.Load(f.serverKey)
		if err != nil {
			return zmtp.Config{}, err
		}
		server = c.Public
	}
	return zmtp.Config{Mechanism: zap.Curve, Key: own.Secret, ServerKey: server}, nil
}

// askFlags are the flags of the commands that ask a running zauth.
type askFlags struct {
	linkFlags
	control string
	asJSON  bool
}

func (f *askFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.control, "control", "", "ask the zauth at `ENDPOINT` (default: $ZAUTH_CONTROL, or the socket of this user's zauth)")
	f.linkFlags.add(flags)
	flags.BoolVar(&f.asJSON, "json", false, "print the answer as JSON")
}

// find returns the endpoint that a flag or an environment variable names, or that of a zauth
// of this user or of the system.
func find(flag, variable, socket string) (string, error) {
	if at := cmp.Or(flag, os.Getenv(variable)); at != "" && at != none {
		return at, nil
	}
	for _, dir := range []string{ownDirectory(), systemDirectory} {
		path := filepath.Join(dir, socket)
		if _, err := os.Stat(path); dir != "" && !errors.Is(err, fs.ErrNotExist) {
			return "ipc://" + path, nil
		}
	}
	return "", cli.Hintf(errors.New("no running zauth found"), "start zauth serve as this user, or name its socket with --%s or $%s", socketFlags[socket], variable)
}

// socketFlags are the flags that name the sockets of a running zauth.
var socketFlags = map[string]string{controlSocket: "control", decisionsSocket: "publish"}

// ask asks the running zauth. With --json, it prints the answer and returns false.
func (f askFlags) ask(cmd *cobra.Command, req control.Request, answer any) (show bool, err error) {
	if err := f.check(); err != nil {
		return false, err
	}
	at, err := find(f.control, controlVariable, controlSocket)
	if err != nil {
		return false, err
	}
	link, err := f.config(at)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), askPatience)
	defer cancel()
	client, err := control.Dial(ctx, at, link)
	if err != nil {
		return false, dialHint(err, at)
	}
	defer client.Close()
	result, err := client.Ask(ctx, req)
	if failed, ok := errors.AsType[*control.Error](err); ok && failed.Hint != "" {
		return false, cli.Hint(err, failed.Hint)
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(result, answer); err != nil {
		return false, fmt.Errorf("malformed reply of zauth: %w", err)
	}
	if f.asJSON {
		return false, cli.Print(cmd, func(out io.Writer) { fmt.Fprintf(out, "%s\n", result) })
	}
	return true, nil
}

// dialHint says what to do about a failed connection to a running zauth.
func dialHint(err error, at string) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return cli.Hint(err, "run this command as the user that runs zauth, or as root")
	case errors.As(err, new(*zmtp.RefusedError)):
		return cli.Hintf(err, "the policy of zauth must admit your key in a section with domain = %s", policy.ControlDomain)
	case errors.Is(err, zmtp.ErrServerKey):
		return cli.Hint(err, "pass the public certificate of the zauth that listens there: --server-key zauth.key")
	case endpoint.IsLocal(at) && isDialError(err):
		return cli.Hint(err, "check that zauth serve runs")
	}
	return err
}

// isDialError reports whether nothing listens, or it could not be reached.
func isDialError(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "dial"
}

// relative formats the time between a moment and now, such as "5m ago" or "in 3 days".
func relative(at, now time.Time) string {
	d := at.Sub(now)
	text := duration(d.Abs())
	if d > 0 {
		return "in " + text
	}
	return text + " ago"
}

// duration formats a duration in its largest unit.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// moment formats a time for people, with how long ago it is.
func moment(at, now time.Time) string {
	return fmt.Sprintf("%s (%s)", at.Local().Format(time.DateTime), relative(at, now))
}

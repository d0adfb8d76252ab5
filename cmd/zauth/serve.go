package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/settings"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// Defaults of zauth serve.
const (
	defaultListen   = "tcp://127.0.0.1:9127"
	defaultKeystore = "dir:clients"
)

// certVariable is the environment variable that can hold zauth's own secret
// certificate, for containers.
const certVariable = "ZAUTH_CERT"

// serveFlags are the flags of zauth serve.
type serveFlags struct {
	ruleFlags
	doorFlags
	httpFlags
	listen      []string
	socketMode  string
	socketGroup string
	cert        string
	audit       string
	required    bool // the audit
	logLevel    string
	logFormat   string
	config      string
	settled     settled
}

func newServe() *cobra.Command {
	var f serveFlags
	flags := f.flagSet()
	cmd := &cobra.Command{
		Use:        "serve",
		Short:      "Run the daemon",
		SuggestFor: []string{"run", "start", "daemon", "listen"},
		Long: `Serve answers ZAP requests (RFC 27) from any number of services. A service
forwards its requests with a libzmq proxy, or with Go package zap/remote.

With --policy, zauth admits clients as the policy file says; check the file with
zauth check. Without --policy, zauth admits CURVE clients whose certificate is in
the keystore, valid now and not revoked, and refuses all others.

Zauth notices changes to the policy and the keystores. SIGHUP reloads them all
and reopens the audit log. SIGTERM stops zauth. A client that must leave loses its
connections to services that use zap/remote. On libzmq, they stay open.

Only the user that runs zauth can connect to an ipc endpoint, unless --socket-mode
and --socket-group share it. Every user of the machine can connect to a TCP port on
loopback: if there are several users, use ipc or CURVE.

Without --cert, zauth listens on loopback and ipc endpoints only. With --cert,
services must connect to zauth by CURVE. Each needs zauth's public certificate, and
a certificate of its own that is in the keystore --askers or, with --policy, that
the policy admits in the domain "zauth". Clients cannot ask zauth. The environment
variable ZAUTH_CERT can hold the text of zauth's secret certificate instead.

Each flag can be a line of the file --config, or a variable, such as ZAUTH_POLICY.
A flag comes before a variable, and that before the file. See zauth config.

Zauth warns of files that other users can change. With --strict, it refuses to start
instead. It always refuses to start if they can change its secret certificate.`,
		Example: `  zauth serve --keystore dir:clients
  zauth serve --policy /etc/zauth/policy.zpl --audit /var/log/zauth.audit
  zauth serve --listen ipc:///run/zauth/socket --socket-mode 0660 --socket-group zmq
  zauth serve --listen 'tcp://*:9127' --cert zauth.key_secret --askers dir:services`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := f.settle(flags)
			if err == nil {
				err = serve(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return f.settled.explain(err)
		},
	}
	cmd.Flags().AddFlagSet(flags)
	return cmd
}

// flagSet returns the flags, each of which is also a setting of the configuration file and of
// the environment. Their placeholders say what values are: see package settings.
func (f *serveFlags) flagSet() *pflag.FlagSet {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.StringVar(&f.config, settings.FileFlag, "", "read settings from `FILE`, with the names of these flags (default $ZAUTH_CONFIG)")
	flags.StringArrayVar(&f.listen, "listen", []string{defaultListen}, "listen on `ENDPOINT`, tcp://HOST:PORT or ipc://PATH; repeatable")
	flags.Lookup("listen").DefValue = defaultListen // without brackets
	flags.StringVar(&f.policy, "policy", "", "decide by the policy in `FILE`")
	flags.StringVar(&f.keystore, "keystore", defaultKeystore, "without --policy, admit the clients in the keystore at `URL`: dir:PATH, bolt:FILE, file:FILE or env:NAME")
	flags.StringVar(&f.askers, "askers", "", "with --cert and without --policy, answer the services in the keystore at `URL`")
	f.addState(flags)
	flags.StringVar(&f.socketMode, "socket-mode", "0600", "create the sockets of ipc endpoints with `MODE`")
	flags.StringVar(&f.socketGroup, "socket-group", "", "create the sockets of ipc endpoints for `GROUP`")
	flags.BoolVar(&f.strict, "strict", false, "fail, instead of warning, if other users can change a file that decides or read a secret")
	flags.StringVar(&f.cert, "cert", "", "require CURVE from services; `FILE` is zauth's secret certificate")
	flags.StringVar(&f.audit, "audit", "", "append each decision to `FILE` as a line of JSON (- for stdout)")
	flags.BoolVar(&f.required, "audit-required", false, "refuse every client while decisions cannot be written to the audit log")
	f.doorFlags.add(flags)
	f.httpFlags.add(flags)
	flags.StringVar(&f.logLevel, "log-level", "info", "log messages at `LEVEL` and above: debug, info, warn or error")
	flags.StringVar(&f.logFormat, "log-format", "auto", "log as `FORMAT`: text, json, or auto (text on a terminal, JSON otherwise)")
	return flags
}

// serve runs the daemon until ctx is done.
func serve(ctx context.Context, f serveFlags, stdout, stderr io.Writer) error {
	// This comes first, because an uncaught SIGHUP would end the process.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	sockets, err := takePassedSockets()
	if err != nil {
		return err
	}
	defer sockets.close()
	signal.Ignore(syscall.SIGPIPE) // zauth continues when the reader of stderr ends
	d := &daemon{flags: f, started: time.Now()}
	log, logOut, err := newLog(stderr, f.logLevel, f.logFormat, d.explain)
	if err != nil {
		return err
	}
	defer logOut.close()
	if err := f.tellSettings(log); err != nil {
		return err
	}
	mode, err := f.mode()
	if err != nil {
		return err
	}
	handler, rules, err := f.open(log)
	if err != nil {
		return err
	}
	defer rules.Close()
	var auditFile *auditLog
	options := audit.Options{Log: log, Strict: f.required}
	if f.audit != "" {
		if auditFile, err = openAudit(f.audit, stdout); err != nil {
			return err
		}
		defer auditFile.close()
		options.Writer = auditFile
	}
	decide := audit.New(handler, options)
	defer decide.Close()
	d.rules, d.handler, d.audit, d.log = rules, handler, auditFile, log
	d.monitor = monitor.New(decide, monitor.Options{Names: namesBy(rules), Advice: adviceBy(rules, f.admitTo)})
	link, err := linkConfig(f, d.monitor, knowsAskers(handler), log)
	if err != nil {
		return err
	}
	page, err := f.listenHTTP(ctx)
	if err != nil {
		return err
	}
	if page != nil {
		defer page.Close()
	}
	if err := d.checkAdmitTo(); err != nil {
		return err
	}
	listeners, err := listen(ctx, f, mode, link, &sockets, log)
	if err != nil {
		return err
	}
	for _, ln := range listeners {
		d.endpoints = append(d.endpoints, ln.Endpoint())
	}
	door, err := d.openDoor(ctx, link)
	if err != nil {
		for _, ln := range listeners {
			ln.Close()
		}
		return err
	}
	d.sandbox.Store(confine(d.accesses(), log)) // after everything that listens or opens files
	group, ctx := errgroup.WithContext(ctx)
	for _, ln := range listeners {
		logOut.listening(ln.Endpoint())
		group.Go(func() error { return remote.Serve(ctx, ln, d.monitor, log) })
	}
	group.Go(func() error { return door.serveControl(ctx) })
	group.Go(func() error { return door.publish(ctx) })
	if page != nil {
		logOut.listening("http://" + page.Addr().String())
		group.Go(func() error { return f.serveHTTP(ctx, page, d, log) })
	}
	group.Go(func() error { return rules.Watch(ctx) })
	group.Go(func() error {
		followCertificate(ctx, f, link.Key.Public(), slices.Concat(listeners, door.listeners()), log)
		return nil
	})
	group.Go(func() error {
		reloadOn(ctx, hangup, &f, logOut, rules, auditFile, log)
		return nil
	})
	group.Go(func() error {
		d.notifyWhile(ctx, handler, log)
		return nil
	})
	return group.Wait()
}

// mode parses --socket-mode.
func (f serveFlags) mode() (fs.FileMode, error) {
	mode, err := strconv.ParseUint(f.socketMode, 8, 32)
	if err != nil || mode&^0o777 != 0 {
		return 0, cli.Usagef("--socket-mode %q: must be three or four octal digits, such as 0660", f.socketMode)
	}
	return fs.FileMode(mode), nil
}

// listen listens on all endpoints, on the sockets that systemd has passed for them if there are
// any. If one fails, it closes the others. It creates sockets
// for this user alone, and then shares them.
func listen(ctx context.Context, f serveFlags, mode fs.FileMode, link zmtp.Config, sockets *passedSockets, log *slog.Logger) ([]*zmtp.Listener, error) {
	defer withPrivateFiles()()
	passed := make([]net.Listener, len(f.listen))
	for i, endpoint := range f.listen {
		passed[i] = sockets.take(endpoint)
	}
	if err := sockets.checkUsed(); err != nil {
		return nil, err
	}
	var listeners []*zmtp.Listener
	for i, endpoint := range f.listen {
		var ln *zmtp.Listener
		var err error
		if passed[i] != nil {
			ln, err = remote.NewListener(passed[i], link)
		} else {
			ln, err = remote.Listen(ctx, endpoint, link)
		}
		if err == nil {
			listeners = append(listeners, ln)
			path, isSocket := strings.CutPrefix(endpoint, "ipc://")
			switch {
			case passed[i] != nil:
				warnOfOpenSocket(passed[i], log)
			case strings.HasPrefix(path, "@"):
				log.Warn("every local user can connect: an abstract socket has no mode", "endpoint", endpoint)
			case isSocket:
				err = shareSocket(path, mode, f.socketGroup)
			}
		}
		if err != nil {
			for _, ln := range listeners {
				ln.Close()
			}
			return nil, err
		}
	}
	return listeners, nil
}

// reloadOn reloads the settings and the rules, and reopens the audit log, at each signal, until
// ctx is done.
func reloadOn(ctx context.Context, signals <-chan os.Signal, f *serveFlags, logOut *logOutput, rules rules, auditFile *auditLog, log *slog.Logger) {
	for {
		select {
		case <-signals:
			notifyReloading(log)
			f.reload(logOut, log)
			if err := rules.Reload(); err != nil {
				log.Error("reload failed: keeping the previous configuration", "err", err)
			} else {
				log.Info("reloaded")
			}
			if auditFile != nil {
				if err := auditFile.reopen(); err != nil {
					log.Error("reopening the audit log failed: still writing to the previous file", "err", err)
				}
			}
			notify(log, systemd.SdNotifyReady)
		case <-ctx.Done():
			return
		}
	}
}

// linkConfig returns the configuration of the connections from services: CURVE with a
// certificate, NULL without.
func linkConfig(f serveFlags, decide zap.Handler, knowsAskers bool, log *slog.Logger) (zmtp.Config, error) {
	if _, isSet := os.LookupEnv(certVariable); !isSet && f.cert == "" {
		for _, at := range f.listen {
			if err := endpoint.Check(at); err != nil {
				return zmtp.Config{}, cli.Usage(err)
			}
			if !endpoint.IsLocal(at) {
				return zmtp.Config{}, cli.Hint(
					fmt.Errorf("refusing to listen on %s without CURVE: other machines can reach it", at),
					"create a certificate with \"zcert gen zauth\", then pass --cert zauth.key_secret")
			}
		}
		if f.askers != "" {
			return zmtp.Config{}, cli.Usagef("--askers requires --cert: without CURVE, zauth does not know who asks")
		}
		return zmtp.Config{Mechanism: zap.Null, Log: log}, nil
	}
	c, err := loadCertificate(f, log)
	if err != nil {
		return zmtp.Config{}, err
	}
	if !knowsAskers {
		return zmtp.Config{}, cli.Hint(errors.New("--cert requires a list of the services that may ask zauth"),
			askersHint(f.policy))
	}
	return zmtp.Config{
		Mechanism: zap.Curve,
		Key:       c.Secret,
		Handler:   decide,
		Domain:    policy.LinkDomain,
		Log:       log,
	}, nil
}

// askersHint says how to list the services that may ask.
func askersHint(policyFile string) string {
	if policyFile != "" {
		return fmt.Sprintf("add a section to %s: security, domain = %s, curve = 1, keystore = dir:services", policyFile, policy.LinkDomain)
	}
	return "put the public certificates of the services in a separate directory, then pass --askers dir:services"
}

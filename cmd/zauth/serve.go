package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/zcurve/zcurve/internal/cli"
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

// serveFlags is what the command line says.
type serveFlags struct {
	ruleFlags
	listen      []string
	socketMode  string
	socketGroup string
	cert        string
	audit       string
	required    bool // the audit
	logLevel    string
	logFormat   string
}

func newServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer ZAP requests",
		Long: `Serve answers ZAP requests (RFC 27) from any number of services: libzmq proxies,
and the clients of package zap/remote. With --policy, a file says who is admitted;
zauth check finds mistakes in one. Without, CURVE clients are admitted whose
certificate is in the keystore, and nobody else.

Changes in the policy and the keystores take effect by themselves; SIGHUP reads
all of it again, and opens the audit anew. SIGTERM ends zauth.

The socket of an ipc endpoint is for this user alone, unless --socket-mode and
--socket-group share it. A TCP port on loopback is open to all users of the machine:
where there are several, use ipc or CURVE.

With --cert the services' connections to zauth are CURVE themselves: zauth is
the server with that secret certificate. Services that may ask are in the keystore
--askers or, with --policy, are admitted by its section "domain = zauth". Clients
may not ask. The certificate's text can be in the environment variable ZAUTH_CERT
instead. Without, zauth listens on loopback and ipc only.

Files that other users can change are warned of, and refused with --strict. zauth's
own secret certificate is refused always if others can change it.`,
		Example: `  zauth serve --keystore dir:clients
  zauth serve --policy /etc/zauth/policy.zpl --audit /var/log/zauth.audit
  zauth serve --listen ipc:///run/zauth/socket --socket-mode 0660 --socket-group zmq
  zauth serve --listen 'tcp://*:9127' --cert zauth.key_secret --askers dir:services`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd.Flags().Changed("keystore")); err != nil {
				return err
			}
			if f.required && f.audit == "" {
				return cli.Usagef("--audit-required needs --audit FILE")
			}
			return serve(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.listen, "listen", []string{defaultListen}, "`endpoint` to listen on, tcp://HOST:PORT or ipc://PATH; repeatable")
	flags.StringVar(&f.policy, "policy", "", "`file` that says who is admitted")
	flags.StringVar(&f.keystore, "keystore", defaultKeystore, "without --policy, `URL` of the keystore: dir:PATH, bolt:FILE, file:FILE or env:NAME")
	flags.StringVar(&f.askers, "askers", "", "with --cert and without --policy, `URL` of the keystore of the services that may ask")
	f.addState(flags)
	flags.StringVar(&f.socketMode, "socket-mode", "0600", "`mode` of the sockets of ipc endpoints")
	flags.StringVar(&f.socketGroup, "socket-group", "", "`group` of the sockets of ipc endpoints")
	flags.BoolVar(&f.strict, "strict", false, "refuse files that other users can change, or secrets that they can read, instead of warning")
	flags.StringVar(&f.cert, "cert", "", "secret certificate `file` of zauth, for connections by CURVE")
	flags.StringVar(&f.audit, "audit", "", "`file` to write a line of JSON to for each decision, or - for stdout")
	flags.BoolVar(&f.required, "audit-required", false, "refuse every client whose decision cannot be written to the audit log")
	flags.StringVar(&f.logLevel, "log-level", "info", "least `level` to log: debug, info, warn or error")
	flags.StringVar(&f.logFormat, "log-format", "auto", "text, json, or auto: text on a terminal and json elsewhere")
	return cmd
}

// serve runs the daemon until ctx is done.
func serve(ctx context.Context, f serveFlags, stdout, stderr io.Writer) error {
	// Before anything else: uncaught, SIGHUP would end zauth.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	signal.Ignore(syscall.SIGPIPE) // zauth goes on when stderr's reader has ended
	log, logOut, err := newLog(stderr, f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	defer logOut.close()
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
	link, err := linkConfig(f, decide, knowsAskers(handler), log)
	if err != nil {
		return err
	}
	listeners, err := listen(ctx, f, mode, link, log)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, ln := range listeners {
		logOut.listening(ln.Endpoint())
		group.Go(func() error { return remote.Serve(ctx, ln, decide, log) })
	}
	group.Go(func() error { return rules.Watch(ctx) })
	group.Go(func() error {
		followCertificate(ctx, f, link.Key.Public(), listeners, log)
		return nil
	})
	group.Go(func() error {
		reloadOn(ctx, hangup, rules, auditFile, log)
		return nil
	})
	return group.Wait()
}

// mode reads the mode of sockets.
func (f serveFlags) mode() (fs.FileMode, error) {
	mode, err := strconv.ParseUint(f.socketMode, 8, 32)
	if err != nil || mode&^0o777 != 0 {
		return 0, cli.Usagef("--socket-mode %q: expected three or four octal digits, such as 0660", f.socketMode)
	}
	return fs.FileMode(mode), nil
}

// listen listens on all endpoints, or none. A socket is private until it is shared.
func listen(ctx context.Context, f serveFlags, mode fs.FileMode, link zmtp.Config, log *slog.Logger) ([]*zmtp.Listener, error) {
	defer withPrivateFiles()()
	var listeners []*zmtp.Listener
	for _, endpoint := range f.listen {
		ln, err := remote.Listen(ctx, endpoint, link)
		if err == nil {
			listeners = append(listeners, ln)
			path, isSocket := strings.CutPrefix(endpoint, "ipc://")
			switch {
			case strings.HasPrefix(path, "@"):
				log.Warn("an abstract socket has no mode: all users of this machine can ask", "endpoint", endpoint)
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

// reloadOn reads everything again at each signal, until ctx is done.
func reloadOn(ctx context.Context, signals <-chan os.Signal, rules rules, auditFile *auditLog, log *slog.Logger) {
	for {
		select {
		case <-signals:
			if err := rules.Reload(); err != nil {
				log.Error("reload failed: what could not be read stays as it was", "err", err)
			} else {
				log.Info("reloaded")
			}
			if auditFile != nil {
				if err := auditFile.reopen(); err != nil {
					log.Error("reopening the audit log failed: still writing to the old file", "err", err)
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// linkConfig says how the connections to zauth are secured: by CURVE with a
// certificate, in clear without.
func linkConfig(f serveFlags, decide zap.Handler, knowsAskers bool, log *slog.Logger) (zmtp.Config, error) {
	_, isSet := os.LookupEnv(certVariable)
	if isSet && f.cert != "" {
		return zmtp.Config{}, cli.Hint(fmt.Errorf("zauth's own certificate comes from two places: --cert %s and %s", f.cert, certVariable),
			"which of them is it? unset the other")
	}
	if !isSet && f.cert == "" {
		for _, endpoint := range f.listen {
			if err := zmtp.CheckEndpoint(endpoint); err != nil {
				return zmtp.Config{}, cli.Usage(err)
			}
			if !zmtp.IsLocal(endpoint) {
				return zmtp.Config{}, cli.Hint(
					fmt.Errorf("will not listen on %s without CURVE: it can be reached from other machines", endpoint),
					"make a certificate with \"zcert gen zauth\" and give --cert zauth.key_secret")
			}
		}
		if f.askers != "" {
			return zmtp.Config{}, cli.Usagef("--askers is for --cert: without CURVE zauth can't tell who asks")
		}
		return zmtp.Config{Mechanism: zap.Null, Log: log}, nil
	}
	c, err := loadCertificate(f, log)
	if err != nil {
		return zmtp.Config{}, err
	}
	if !knowsAskers {
		return zmtp.Config{}, cli.Hint(errors.New("with a certificate zauth answers only services that it knows, and it knows none"),
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

// askersHint says how to let services ask.
func askersHint(policyFile string) string {
	if policyFile != "" {
		return fmt.Sprintf("add a section to %s: security, domain = %s, curve = 1, keystore = dir:services", policyFile, policy.LinkDomain)
	}
	return "put the services' public certificates into a directory of their own and give --askers dir:services"
}

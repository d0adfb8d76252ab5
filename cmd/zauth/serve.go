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
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/keystore"
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

// linkDomain is the ZAP domain in which zauth decides who may ask it.
const linkDomain = "zauth"

// serveFlags is what the command line says.
type serveFlags struct {
	listen    []string
	policy    string
	keystore  string
	cert      string
	state     string
	audit     string
	required  bool // the audit
	logLevel  string
	logFormat string
}

func newServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer ZAP requests",
		Long: `Serve answers ZAP requests (RFC 27) from any number of services: libzmq proxies,
and the clients of package zap/remote. With --policy, a file says who may come
in; zauth check tells what is wrong with one. Without, CURVE clients come in whose
certificate is in the keystore, and nobody else.

Changes in the policy and the keystores take effect by themselves; SIGHUP reads
all of it again, and opens the audit anew. SIGTERM ends zauth.

With --cert the services' connections to zauth are CURVE themselves: zauth is
the server with that secret certificate, and a service must have a certificate
in the keystore too, or come in to the domain "zauth" by the policy. The
certificate's text can be in the environment variable ZAUTH_CERT instead. Without,
zauth listens on loopback and ipc only.`,
		Example: `  zauth serve --keystore dir:clients
  zauth serve --policy /etc/zauth/policy.zpl --audit /var/log/zauth.audit
  zauth serve --listen ipc:///run/zauth.sock --keystore dir:/etc/zauth/clients
  zauth serve --listen 'tcp://*:9127' --cert zauth.key_secret`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.policy != "" && cmd.Flags().Changed("keystore") {
				return cli.Usagef("--keystore is for serving without --policy: a policy names its own keystores")
			}
			if f.required && f.audit == "" {
				return cli.Usagef("--audit-required needs --audit FILE")
			}
			return serve(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.listen, "listen", []string{defaultListen}, "`endpoint` to listen on, tcp://HOST:PORT or ipc://PATH; repeatable")
	flags.StringVar(&f.policy, "policy", "", "`file` that says who may come in")
	flags.StringVar(&f.keystore, "keystore", defaultKeystore, "without --policy, `URL` of the keystore: dir:PATH, bolt:FILE, file:FILE or env:NAME")
	flags.StringVar(&f.cert, "cert", "", "secret certificate `file` of zauth, for connections by CURVE")
	flags.StringVar(&f.audit, "audit", "", "`file` to write a line of JSON to for each decision, or - for stdout")
	flags.BoolVar(&f.required, "audit-required", false, "refuse every client whose decision cannot be written to the audit log")
	flags.StringVar(&f.logLevel, "log-level", "info", "least `level` to log: debug, info, warn or error")
	flags.StringVar(&f.logFormat, "log-format", "auto", "text, json, or auto: text on a terminal and json elsewhere")
	return cmd
}

// rules is who may come in, in force until it is closed.
type rules interface {
	Reload() error
	Watch(context.Context) error
	Close() error
}

// openRules reads the policy, or the keystore of the default one.
func openRules(f serveFlags, log *slog.Logger) (zap.Handler, rules, error) {
	if f.policy != "" {
		p, err := policy.Load(f.policy, policy.Options{Log: log, State: f.state})
		return p, p, err
	}
	store, err := keystore.Open(f.keystore, log)
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.Hint(err, "make the directory, or say where the clients' certificates are with --keystore dir:PATH")
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := policy.Default(store, policy.Options{Log: log, State: f.state})
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	return p, p, nil
}

// serve runs the daemon until ctx is done.
func serve(ctx context.Context, f serveFlags, stdout, stderr io.Writer) error {
	signal.Ignore(syscall.SIGPIPE) // zauth goes on when stderr's reader has ended
	log, logOut, err := newLog(stderr, f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	defer logOut.close()
	handler, rules, err := openRules(f, log)
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
	link, err := linkConfig(f, decide, log)
	if err != nil {
		return err
	}
	listeners, err := listen(ctx, f.listen, link)
	if err != nil {
		return err
	}
	// Before anybody is told that zauth is there: unnoticed, SIGHUP would end it.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	group, ctx := errgroup.WithContext(ctx)
	for _, ln := range listeners {
		logOut.listening(ln.Endpoint())
		group.Go(func() error { return remote.Serve(ctx, ln, decide, log) })
	}
	group.Go(func() error { return rules.Watch(ctx) })
	group.Go(func() error {
		reloadOn(ctx, hangup, rules, auditFile, log)
		return nil
	})
	return group.Wait()
}

// listen listens on all endpoints, or none.
func listen(ctx context.Context, endpoints []string, link zmtp.Config) ([]*zmtp.Listener, error) {
	var listeners []*zmtp.Listener
	for _, endpoint := range endpoints {
		ln, err := remote.Listen(ctx, endpoint, link)
		if err != nil {
			for _, ln := range listeners {
				ln.Close()
			}
			return nil, err
		}
		listeners = append(listeners, ln)
	}
	return listeners, nil
}

// reloadOn reads everything again at each signal, until ctx is done.
func reloadOn(ctx context.Context, signals <-chan os.Signal, rules rules, auditFile *auditLog, log *slog.Logger) {
	for {
		select {
		case <-signals:
			if err := rules.Reload(); err != nil {
				log.Error("reload failed: everything stays as it was", "err", err)
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
func linkConfig(f serveFlags, decide zap.Handler, log *slog.Logger) (zmtp.Config, error) {
	inEnvironment, isSet := os.LookupEnv(certVariable)
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
		return zmtp.Config{Mechanism: zap.MechanismNull, Log: log}, nil
	}
	var c *cert.Certificate
	var warnings []cert.Warning
	var err error
	if isSet {
		f.cert = certVariable
		c, warnings, err = cert.Read(strings.NewReader(inEnvironment), certVariable)
	} else {
		c, warnings, err = cert.Load(f.cert)
	}
	if err != nil {
		return zmtp.Config{}, err
	}
	for _, w := range warnings {
		log.Warn("certificate: "+w.Text, "file", f.cert, "line", w.Line)
	}
	if c.Locked != nil {
		return zmtp.Config{}, cli.Hint(fmt.Errorf("%s: %w", f.cert, cert.ErrLocked),
			"a daemon has nobody to ask for the passphrase: zcert unlock "+f.cert)
	}
	if c.Secret.IsZero() {
		return zmtp.Config{}, cli.Hint(
			fmt.Errorf("%s holds no secret key", f.cert),
			fmt.Sprintf("the secret certificate is in %s%s", f.cert, cert.SecretSuffix))
	}
	return zmtp.Config{
		Mechanism: zap.MechanismCurve,
		Keys:      c.KeyPair(),
		Handler:   decide,
		Domain:    linkDomain,
		Log:       log,
	}, nil
}

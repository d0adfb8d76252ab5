package main

import (
	"context"
	"fmt"
	"os"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// listen listens as a server and prints the endpoint.
func listen(ctx context.Context, socketType, mechanism string, handler zap.Handler) (*zmtp.Listener, error) {
	cfg := zmtp.Config{SocketType: socketType, Mechanism: mechanism, Handler: handler}
	if mechanism == zap.Curve {
		var err error
		if cfg.Key, err = secretKey("BENCH_SERVER_SECRET"); err != nil {
			return nil, err
		}
	}
	ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", cfg)
	if err != nil {
		return nil, err
	}
	fmt.Println("listening", ln.Endpoint())
	return ln, nil
}

// admitAll is the handler of servers that are measured without ZAP.
func admitAll(context.Context, *zap.Request) zap.Reply {
	return zap.Reply{Status: zap.StatusOK}
}

// clientConfig is the configuration of a client.
func clientConfig(socketType, mechanism string) (zmtp.Config, error) {
	cfg := zmtp.Config{SocketType: socketType, Mechanism: mechanism}
	if mechanism != zap.Curve {
		return cfg, nil
	}
	var err error
	if cfg.Key, err = secretKey("BENCH_CLIENT_SECRET"); err != nil {
		return cfg, err
	}
	cfg.ServerKey, err = publicKey("BENCH_SERVER_PUBLIC")
	return cfg, err
}

// dial opens a connection.
func dial(ctx context.Context, socketType, mechanism, endpoint string) (*zmtp.Conn, error) {
	cfg, err := clientConfig(socketType, mechanism)
	if err != nil {
		return nil, err
	}
	return zmtp.Dial(ctx, endpoint, cfg)
}

// secretKey reads the secret key in an environment variable.
func secretKey(name string) (curve.SecretKey, error) {
	key, err := curve.ParseSecretKey(os.Getenv(name))
	if err != nil {
		return key, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

func publicKey(name string) (curve.PublicKey, error) {
	key, err := curve.ParsePublicKey(os.Getenv(name))
	if err != nil {
		return key, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

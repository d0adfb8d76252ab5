# Policy of zauth: who may connect. See zauth-policy(5).
#
# As installed, it admits nobody, because the directory "clients" is empty. To admit a
# client, copy its public certificate there. zauth notices:
#
#     zcert gen alice
#     sudo cp alice.key /etc/zauth/clients/
#
# After a change of this file, zauth checks it, and keeps the old one if it finds an
# error. To check it yourself: sudo zauth check /etc/zauth/policy.zpl

security
    curve = 1
        keystore = dir:clients

        # Clients of "zauth admit", see admit-to in zauth.conf.
        #keystore = dir:/var/lib/zauth/admitted

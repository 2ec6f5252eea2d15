# SPDX-License-Identifier: MPL-2.0
#
# One image with every program; docker-compose.yml says which container runs which.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
COPY script/bootstrap /src/script/bootstrap
RUN /src/script/bootstrap build && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN cmake -S /src -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DSB_BUILD_TESTS=OFF \
      -DCMAKE_INSTALL_PREFIX=/usr/local \
 && cmake --build /build \
 && DESTDIR=/out cmake --install /build --strip

FROM ${BASE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      libzmq5 libczmq4 libprotobuf-c1 zlib1g libncursesw6 libtinfo6 > /dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 5570 --home-dir /var/lib/syncbus --create-home --shell /usr/sbin/nologin syncbus
COPY --from=build /out/usr/local /usr/local
RUN ldconfig
USER syncbus
WORKDIR /var/lib/syncbus
VOLUME /var/lib/syncbus
CMD ["syncbusd"]

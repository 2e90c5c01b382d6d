#!/usr/bin/env bash
# Runs once, when the database's volume is empty: a role and a database for Airflow and for MLflow.
set -euo pipefail

for name in airflow mlflow; do
    export password_file=/run/secrets/${name}_database_password
    psql --username "$POSTGRES_USER" --dbname postgres -v ON_ERROR_STOP=1 -v name="$name" <<-'SQL'
		\set password `cat "$password_file"`
		CREATE ROLE :"name" LOGIN PASSWORD :'password';
		CREATE DATABASE :"name" OWNER :"name";
	SQL
done
